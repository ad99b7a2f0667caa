using System.Diagnostics;
using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>How far a training run is.</summary>
/// <param name="Line">The newest line of the log.</param>
/// <param name="Steps">The number of steps in all.</param>
/// <param name="TokensPerSecond">Of the last step.</param>
/// <param name="Remaining">The time left at the rate of this sitting.</param>
public readonly record struct TrainingProgress(
    TrainingLine Line, int Steps, double TokensPerSecond, TimeSpan Remaining);

/// <summary>
/// Trains all weights of a decoder, or LoRA adapters on it, with AdamW:
/// <code>
/// for each step: g = gradient of the mean loss of Batch windows;  g ← g·min(1, ClipNorm / ‖g‖);  AdamW(g)
/// </code>
/// The run can stop at any step and go on to the same bits: its checkpoint holds the weights, both moments and the log,
/// and the order of the windows is given by the seed. Not thread-safe. The caller disposes it.
/// </summary>
public sealed class DecoderTrainer : IDisposable
{
    /// <summary>The file of a run that is under way.</summary>
    public const string CheckpointName = "training.safetensors";

    private readonly ArchitectureSpec _spec;
    private readonly TrainingOptions _options;
    private readonly WorkerPool _pool;
    private readonly string _run;
    private readonly ParameterSet _model;
    private readonly ParameterSet? _start;
    private readonly LoraAdapters? _adapters;
    private readonly ParameterSet _gradients;
    private readonly ParameterSet? _adapterGradients;
    private readonly ParameterSet _means;
    private readonly ParameterSet _squares;
    private readonly DecoderGradient _gradient;
    private readonly TokenWindows _windows;
    private readonly int _length;
    private double _seconds;
    private double _lossSum; // of the steps since the last line of the log
    private int _lossCount;

    /// <summary>Makes a run ready.</summary>
    /// <param name="spec">The architecture.</param>
    /// <param name="model">The weights to start from; changed in place, and still the caller's.</param>
    /// <param name="sources">The texts.</param>
    /// <param name="options">How to train.</param>
    /// <param name="pool">The threads.</param>
    /// <param name="origin">
    /// What the weights and texts are, such as their digests: a checkpoint of another origin is refused.
    /// </param>
    /// <exception cref="ArgumentException">
    /// An option is out of range, or the texts are smaller than a window.
    /// </exception>
    /// <exception cref="NotSupportedException">Training does not know the architecture.</exception>
    public DecoderTrainer(
        ArchitectureSpec spec,
        ParameterSet model,
        IReadOnlyList<TokenSource> sources,
        TrainingOptions options,
        WorkerPool pool,
        string origin)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(pool);
        options.Validate();
        _spec = spec;
        _options = options;
        _pool = pool;
        _run = $"{options}"["TrainingOptions { ".Length..^" }".Length] + ", " + origin;
        _model = model;
        _length = options.Context ?? spec.ContextLength;
        _windows = new TokenWindows(sources, _length, options.Seed);
        _gradient = new DecoderGradient(spec, pool, Math.Min(options.MicroBatch, options.Batch), _length)
        {
            Dropout = (float)options.Dropout,
        };
        _gradients = new ParameterSet(model.Layout);
        if (options.LoraRank > 0)
        {
            _start = new ParameterSet(model.Layout);
            _start.CopyFrom(model);
            _adapters = new LoraAdapters(spec, options.LoraRank, options.LoraAlpha, pool, options.Seed);
            _adapterGradients = new ParameterSet(_adapters.Values.Layout);
        }

        _means = new ParameterSet(Trained.Layout);
        _squares = new ParameterSet(Trained.Layout);
    }

    /// <summary>The steps done.</summary>
    public int Step { get; private set; }

    /// <summary>What was measured so far.</summary>
    public TrainingLog Log { get; private set; } = new();

    /// <summary>The adapters, if the run trains them.</summary>
    public LoraAdapters? Adapters => _adapters;

    /// <summary>The tokens predicted in one step.</summary>
    public long TokensPerStep => (long)_options.Batch * _length;

    private ParameterSet Trained => _adapters?.Values ?? _model;

    /// <summary>Runs all steps that are left.</summary>
    /// <param name="folder">Where the checkpoint and the log are kept; it must exist. Null keeps nothing.</param>
    /// <param name="validation">Windows to measure the loss on; null for none.</param>
    /// <param name="every">The steps from one line of the log to the next; at least 1.</param>
    /// <param name="checkpointEvery">The time from one checkpoint to the next.</param>
    /// <param name="progress">Told each line; may be null.</param>
    /// <param name="cancellation">Checked after each step; the run is saved before it ends.</param>
    /// <exception cref="InvalidDataException">The loss is no longer finite; nothing is saved then.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; it can be resumed.</exception>
    public void Run(
        string? folder,
        IReadOnlyList<int[]>? validation = null,
        int every = 10,
        TimeSpan? checkpointEvery = null,
        Action<TrainingProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(every, 1);
        long began = Stopwatch.GetTimestamp();
        long saved = began;
        int first = Step;
        double before = _seconds;
        while (Step < _options.Steps)
        {
            long stepBegan = Stopwatch.GetTimestamp();
            (double loss, double norm) = RunStep();
            double stepSeconds = Stopwatch.GetElapsedTime(stepBegan).TotalSeconds;
            _seconds = before + Stopwatch.GetElapsedTime(began).TotalSeconds;
            _lossSum += loss;
            _lossCount++;
            bool isLast = Step == _options.Steps;
            if (Step % every == 0 || isLast)
            {
                bool measures = validation is not null && (Step % (10 * every) == 0 || isLast);
                var line = new TrainingLine(
                    Step,
                    Step * TokensPerStep,
                    _lossSum / _lossCount,
                    measures ? Loss(validation!) : double.NaN,
                    _options.LearningRateOf(Step - 1),
                    norm,
                    _seconds);
                (_lossSum, _lossCount) = (0, 0);
                Log.Add(line);
                progress?.Invoke(new TrainingProgress(
                    line,
                    _options.Steps,
                    TokensPerStep / stepSeconds,
                    TimeSpan.FromSeconds((_seconds - before) / (Step - first) * (_options.Steps - Step))));
            }

            bool due = checkpointEvery is { } time && Stopwatch.GetElapsedTime(saved) >= time;
            if (folder is not null && (due || isLast || cancellation.IsCancellationRequested))
            {
                Save(folder);
                saved = Stopwatch.GetTimestamp();
            }

            cancellation.ThrowIfCancellationRequested();
        }
    }

    /// <summary>The mean loss of windows, without dropout, in nats a token.</summary>
    /// <param name="windows">Each of context + 1 tokens.</param>
    public double Loss(IReadOnlyList<int[]> windows)
    {
        ArgumentNullException.ThrowIfNull(windows);
        int most = Math.Min(_options.MicroBatch, _options.Batch);
        double sum = 0;
        for (int first = 0; first < windows.Count; first += most)
        {
            int[][] part = [.. windows.Skip(first).Take(most)];
            sum += _gradient.Loss(_model, part.SelectMany(w => w).ToArray()) * part.Length;
        }

        return sum / windows.Count;
    }

    /// <summary>Goes on from the checkpoint of the same run, if the folder has one.</summary>
    /// <param name="folder">The folder.</param>
    /// <returns>Whether there was one.</returns>
    /// <exception cref="InvalidDataException">It is damaged, or of another run.</exception>
    public bool TryResume(string folder)
    {
        string path = Path.Combine(folder, CheckpointName);
        if (!File.Exists(path))
        {
            return false;
        }

        using TensorFile file = TensorFile.Open(path);
        RunCheckpoint.RequireSameRun(path, file, _run);
        Trained.ReadFrom(file, "weights");
        _means.ReadFrom(file, "means");
        _squares.ReadFrom(file, "squares");
        long step = RunCheckpoint.ReadLongs(file, "step", 1)[0];
        if (step < 0 || step > _options.Steps)
        {
            throw new InvalidDataException($"'{path}': step is {step}, expected 0 to {_options.Steps}");
        }

        Step = (int)step;
        Log = TrainingLog.FromArray(RunCheckpoint.ReadDoubles(file, "log"));
        double[] state = RunCheckpoint.ReadDoubles(file, "state", 3);
        (_seconds, _lossSum, _lossCount) = (state[0], state[1], (int)state[2]);
        _adapters?.Merge(_start!, _model);
        _gradient.ParametersChanged();
        _windows.Skip((long)Step * _options.Batch);
        return true;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gradient.Dispose();
        _gradients.Dispose();
        _means.Dispose();
        _squares.Dispose();
        _adapterGradients?.Dispose();
        _adapters?.Dispose();
        _start?.Dispose();
    }

    /// <summary>One step; the mean loss before it, in nats a token, and the norm of its gradient.</summary>
    internal (double Loss, double Norm) RunStep()
    {
        _gradients.Clear();
        int window = _length + 1;
        int[] ids = new int[Math.Min(_options.MicroBatch, _options.Batch) * window];
        double loss = 0;
        for (int first = 0; first < _options.Batch; first += _options.MicroBatch)
        {
            int count = Math.Min(_options.MicroBatch, _options.Batch - first);
            for (int i = 0; i < count; i++)
            {
                _windows.Next(ids.AsSpan(i * window, window));
            }

            ulong key = new SplitMix64(_options.Seed + ((ulong)Step * 1_000_003UL) + (ulong)first).Next();
            loss += _gradient.Accumulate(_model, _gradients, ids.AsSpan(0, count * window), 1f / TokensPerStep, key);
        }

        ParameterSet gradients = _gradients;
        if (_adapters is not null)
        {
            _adapters.Project(_gradients, _adapterGradients!);
            gradients = _adapterGradients!;
        }

        double norm = Math.Sqrt(gradients.Layout.Sum(p => SquaredNormKernel.Of(_pool, gradients.Of(p))));
        loss /= TokensPerStep;
        if (!double.IsFinite(norm) || !double.IsFinite(loss))
        {
            throw new InvalidDataException(
                $"the loss is not finite at step {Step + 1}: try a smaller learning rate; "
                + "the last checkpoint is from before");
        }

        foreach (Parameter parameter in Trained.Layout)
        {
            AdamKernel.Run(
                _pool,
                Trained.Of(parameter),
                gradients.Of(parameter),
                _means.Of(parameter),
                _squares.Of(parameter),
                new AdamStep(
                    (float)_options.LearningRateOf(Step),
                    (float)_options.Beta1,
                    (float)_options.Beta2,
                    1e-8f,
                    parameter.Decays ? (float)_options.WeightDecay : 0f,
                    (float)Math.Min(1, _options.ClipNorm / norm),
                    Step + 1));
        }

        _adapters?.Merge(_start!, _model);
        _gradient.ParametersChanged();
        Step++;
        return (loss, norm);
    }

    private void Save(string folder)
    {
        using (var writer = new SafetensorsWriter(
            Path.Combine(folder, CheckpointName), RunCheckpoint.HeaderOf(_run)))
        {
            Trained.WriteTo(writer, "weights");
            _means.WriteTo(writer, "means");
            _squares.WriteTo(writer, "squares");
            writer.Add<long>("step", [1], [Step]);
            RunCheckpoint.Write(writer, "state", [_seconds, _lossSum, _lossCount]);
            RunCheckpoint.Write(writer, "log", Log.ToArray());
            writer.Complete();
        }

        Log.WriteCsv(Path.Combine(folder, "losses.csv"));
        AtomicFile.WriteAllText(Path.Combine(folder, "losses.svg"), Log.Chart());
    }
}
