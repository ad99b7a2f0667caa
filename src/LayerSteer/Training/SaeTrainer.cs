using System.Diagnostics;
using LayerSteer.Autoencoders;
using LayerSteer.Evaluation;
using LayerSteer.Formats;
using LayerSteer.Models;

namespace LayerSteer.Training;

/// <summary>How far a run is.</summary>
/// <param name="Lines">The newest line of each hook point.</param>
/// <param name="Steps">The number of steps in all.</param>
/// <param name="Remaining">The time left at the rate of this sitting.</param>
public readonly record struct SaeTrainingProgress(
    IReadOnlyList<SaeTrainingLine> Lines, int Steps, TimeSpan Remaining);

/// <summary>
/// Trains sparse autoencoders on the activations of a frozen model, one at each of several hook points, from a single
/// pass over the texts. Activations are streamed from the model through a buffer that shuffles them, and never written
/// out. A run can stop at any step and go on to the same bits: its checkpoint holds weights, moments, the buffer's rows
/// and how far the texts were read. The same bits for any number of threads. Not thread-safe. The caller disposes it.
/// </summary>
public sealed class SaeTrainer : IDisposable
{
    /// <summary>The file of a run that is under way.</summary>
    public const string CheckpointName = "training.safetensors";

    /// <summary>The table of what was measured.</summary>
    public const string LogName = "training.csv";

    /// <summary>The chart of it.</summary>
    public const string ChartName = "training.svg";

    private readonly Decoder _decoder;
    private readonly SaeTrainingOptions _options;
    private readonly int? _bos;
    private readonly string _run;
    private readonly SaeInTraining[] _sites;
    private readonly ActivationBuffer _buffer;
    private readonly ActivationSource _source;
    private double _secondsBefore;

    /// <summary>Makes a run ready.</summary>
    /// <param name="decoder">The model, whose threads are used; still the caller's.</param>
    /// <param name="points">The hook points, each in a block and none twice.</param>
    /// <param name="sources">The texts.</param>
    /// <param name="options">How to train.</param>
    /// <param name="bos">The token that each context begins with; null for none.</param>
    /// <param name="origin">
    /// What the model and the texts are, such as their digests: a checkpoint of another origin is refused.
    /// </param>
    /// <exception cref="ArgumentException">
    /// An option is out of range, a hook point is not there or comes twice, or the texts are smaller than a context.
    /// </exception>
    /// <exception cref="NotSupportedException">A hook point belongs to no block.</exception>
    public SaeTrainer(
        Decoder decoder,
        IReadOnlyList<HookPoint> points,
        IReadOnlyList<TokenSource> sources,
        SaeTrainingOptions options,
        int? bos,
        string origin)
    {
        ArgumentNullException.ThrowIfNull(decoder);
        ArgumentNullException.ThrowIfNull(points);
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        ArchitectureSpec spec = decoder.Spec;
        Check(spec, points);
        int length = WindowLength(spec, bos);
        if (length < 1 || options.Buffer < spec.ContextLength * 2)
        {
            throw new ArgumentException(
                $"Buffer is {options.Buffer}, expected at least two contexts of {spec.ContextLength} tokens");
        }

        _decoder = decoder;
        _options = options;
        _bos = bos;
        _run = $"{options}; {origin}, hooks {string.Join(" ", points)}, bos {bos}";
        var windows = new TokenWindows(sources, length, options.Seed);
        int[] widths = [.. points.Select(point => point.WidthIn(spec))];
        _sites = [.. points.Select((point, i) => new SaeInTraining(point, widths[i], options, decoder.Pool))];
        _buffer = new ActivationBuffer(widths, options.Buffer, options.Seed);
        _source = new ActivationSource(decoder, points, windows, bos, options.SkipsFirst, options.Normalises);
        Log = new SaeTrainingLog(points);
    }

    /// <summary>The steps done.</summary>
    public int Step { get; private set; }

    /// <summary>What was measured so far.</summary>
    public SaeTrainingLog Log { get; }

    /// <summary>The seconds of this sitting that the model took.</summary>
    public double ModelSeconds { get; private set; }

    /// <summary>The seconds of this sitting that the autoencoders' steps took.</summary>
    public double StepSeconds { get; private set; }

    /// <summary>The tokens of text in one context of a model; a window of held-out text has one more.</summary>
    /// <param name="spec">The model.</param>
    /// <param name="bos">The token that each context begins with; null for none.</param>
    public static int WindowLength(ArchitectureSpec spec, int? bos)
    {
        ArgumentNullException.ThrowIfNull(spec);
        return spec.ContextLength - (bos is null ? 0 : 1);
    }

    /// <summary>Runs all steps that are left.</summary>
    /// <param name="folder">Where checkpoint, table and chart are kept; it must exist. Null keeps nothing.</param>
    /// <param name="heldOut">
    /// Windows of <see cref="WindowLength"/> + 1 tokens to measure on now and then; none measures nothing.
    /// </param>
    /// <param name="every">The steps from one line of the log to the next; at least 1.</param>
    /// <param name="checkpointEvery">The time from one checkpoint to the next; only at the end if null.</param>
    /// <param name="progress">Told each line; may be null.</param>
    /// <param name="cancellation">Checked after each step; the run is saved before it ends.</param>
    /// <exception cref="InvalidDataException">The loss is no longer finite; nothing is saved then.</exception>
    /// <exception cref="IOException">A file cannot be written; the checkpoint before stays.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; it can be resumed.</exception>
    public void Run(
        string? folder,
        IReadOnlyList<int[]>? heldOut = null,
        int every = 50,
        TimeSpan? checkpointEvery = null,
        Action<SaeTrainingProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(every, 1);
        long began = Stopwatch.GetTimestamp();
        long saved = began;
        long lineBegan = began;
        int lineStep = Step;
        int first = Step;
        double original = double.NaN;
        while (Step < _options.Steps)
        {
            RunStep(cancellation);
            bool ends = Step == _options.Steps;
            if (Step % every == 0 || ends)
            {
                double rate = (Step - lineStep) * (double)_options.Batch
                    / Stopwatch.GetElapsedTime(lineBegan).TotalSeconds;
                bool measures = heldOut is { Count: > 0 } && (Step % (10 * every) == 0 || ends);
                if (measures && double.IsNaN(original))
                {
                    original = SpliceQuality.Original(_decoder, heldOut!, _bos);
                }

                double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
                SaeTrainingLine[] lines = [.. _sites.Select((_, site) => Line(
                    site,
                    _secondsBefore + seconds,
                    rate,
                    measures ? HeldOut(site, heldOut!, original) : SpliceQuality.None))];
                Array.ForEach(lines, Log.Add);
                progress?.Invoke(new SaeTrainingProgress(
                    lines, _options.Steps, TimeSpan.FromSeconds(seconds / (Step - first) * (_options.Steps - Step))));
                (lineBegan, lineStep) = (Stopwatch.GetTimestamp(), Step);
            }

            bool due = checkpointEvery is { } time && Stopwatch.GetElapsedTime(saved) >= time;
            if (folder is not null && (due || ends || cancellation.IsCancellationRequested))
            {
                Save(folder);
                saved = Stopwatch.GetTimestamp();
            }

            cancellation.ThrowIfCancellationRequested();
        }
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
        long[] state = RunCheckpoint.ReadLongs(file, "state", 4); // step, windows read, rows left, shuffles
        if (state[0] < 0 || state[0] > _options.Steps || state[2] < 0 || state[2] > _options.Buffer)
        {
            throw new InvalidDataException(
                $"'{path}': step {state[0]} with {state[2]} rows, "
                + $"expected at most {_options.Steps} and {_options.Buffer}");
        }

        int rows = (int)state[2];
        for (int i = 0; i < _sites.Length; i++)
        {
            SaeInTraining site = _sites[i];
            site.Parameters.ReadFrom(file, $"{i}.weights");
            site.Means.ReadFrom(file, $"{i}.means");
            site.Squares.ReadFrom(file, $"{i}.squares");
            RunCheckpoint.ReadLongs(file, $"{i}.since_fired", site.SinceFired.Length).CopyTo(site.SinceFired, 0);
            RunCheckpoint.ReadDoubles(file, $"{i}.scalars", site.Scalars.Length).CopyTo(site.Scalars);
            StoredTensor kept = file[$"{i}.rows"];
            kept.ExpectShape(rows, site.DIn);
            for (int row = 0; row < rows; row++)
            {
                kept.Read((long)row * site.DIn, _buffer.Row(i, row));
            }
        }

        // The rows were kept in the order in which they are drawn.
        _buffer.Restore([.. Enumerable.Range(0, _options.Buffer)], rows, state[3]);
        _source.Skip(state[1]);
        Step = (int)state[0];
        Log.Restore(RunCheckpoint.ReadDoubles(file, "log"));
        _secondsBefore = Log.Lines.Count > 0 ? Log.Lines[^1].Seconds : 0;
        return true;
    }

    /// <summary>The autoencoder of a hook point as it is now, in memory.</summary>
    /// <param name="site">The number of the hook point.</param>
    /// <returns>A copy; the caller disposes it.</returns>
    public SparseAutoencoder Autoencoder(int site) => SaeLensAutoencoder.Create(
        $"autoencoder in training at {_sites[site].Point}",
        _sites[site].Config(null, _bos is not null, _decoder.Spec.ContextLength),
        _sites[site].Tensors(),
        _decoder.Pool);

    /// <summary>
    /// Writes each autoencoder in both layouts: a folder named as its hook point, and a file of that name with
    /// .safetensors.
    /// </summary>
    /// <param name="folder">The folder; it must exist.</param>
    /// <param name="modelName">What to call the model.</param>
    /// <param name="type">F32 or BF16: how the weights are stored.</param>
    /// <param name="provenance">What else the files say of themselves; null for nothing.</param>
    /// <returns>The paths of the single files, one a hook point.</returns>
    /// <exception cref="IOException">A file cannot be written; one of that name stays as it was.</exception>
    public IReadOnlyList<string> Write(
        string folder,
        string modelName,
        TensorType type = TensorType.F32,
        IReadOnlyDictionary<string, string>? provenance = null)
    {
        ArgumentNullException.ThrowIfNull(folder);
        var files = new List<string>();
        foreach (SaeInTraining site in _sites)
        {
            AutoencoderConfig config = site.Config(modelName, _bos is not null, _decoder.Spec.ContextLength);
            string path = Path.Combine(folder, site.Point.ToString());
            AutoencoderWriter.WriteFolder(path, config, site.Tensors(), type, provenance);
            AutoencoderWriter.WriteFile(path + ".safetensors", config, site.Tensors(), type, provenance);
            files.Add(path + ".safetensors");
        }

        return files;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Array.ForEach(_sites, site => site.Dispose());
        _buffer.Dispose();
        _source.Dispose();
    }

    private static void Check(ArchitectureSpec spec, IReadOnlyList<HookPoint> points)
    {
        if (points.Count == 0 || points.Distinct().Count() != points.Count)
        {
            throw new ArgumentException("expected at least one hook point, and none twice", nameof(points));
        }

        foreach (HookPoint point in points)
        {
            if (!point.HasLayer)
            {
                throw new NotSupportedException($"autoencoders are trained at hook points of blocks, not at '{point}'");
            }

            new HookSet().Add(point, _ => { }).RequireReached(spec, spec.NLayers);
        }
    }

    private void RunStep(CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        if (_buffer.WantsRows)
        {
            _source.Fill(_buffer, cancellation);
            if (Step == 0)
            {
                for (int i = 0; i < _sites.Length; i++)
                {
                    _sites[i].Start(_buffer, i);
                }
            }
        }

        ModelSeconds += Stopwatch.GetElapsedTime(began).TotalSeconds;
        began = Stopwatch.GetTimestamp();
        int rows = _options.Batch;
        float[] x = System.Buffers.ArrayPool<float>.Shared.Rent(rows * _sites.Max(site => site.DIn));
        for (int i = 0; i < _sites.Length; i++)
        {
            _buffer.Copy(i, rows, x);
            _sites[i].Step(x.AsSpan(0, rows * _sites[i].DIn), rows, Step);
        }

        System.Buffers.ArrayPool<float>.Shared.Return(x);
        _buffer.Remove(rows);
        Step++;
        StepSeconds += Stopwatch.GetElapsedTime(began).TotalSeconds;
    }

    private SaeTrainingLine Line(int site, double seconds, double rate, SpliceQuality heldOut)
    {
        (double loss, double fvu, double l0) = _sites[site].TakeMeans();
        return new SaeTrainingLine(
            site,
            Step,
            (long)Step * _options.Batch,
            loss,
            fvu,
            l0,
            _sites[site].DeadShare,
            _options.LearningRateOf(Step - 1),
            seconds,
            rate,
            heldOut);
    }

    private SpliceQuality HeldOut(int site, IReadOnlyList<int[]> windows, double original)
    {
        using SparseAutoencoder autoencoder = Autoencoder(site);
        return SpliceQuality.Measure(
            _decoder, autoencoder, _sites[site].Point, windows, _bos, _options.SkipsFirst, original);
    }

    private void Save(string folder)
    {
        // A finished run draws no more.
        int rows = Step == _options.Steps ? 0 : _buffer.Left;
        using (var writer = new SafetensorsWriter(
            Path.Combine(folder, CheckpointName), RunCheckpoint.HeaderOf(_run)))
        {
            writer.Add<long>("state", [4], [Step, _source.Windows, rows, _buffer.Shuffles]);
            RunCheckpoint.Write(writer, "log", Log.ToArray());
            for (int i = 0; i < _sites.Length; i++)
            {
                SaeInTraining site = _sites[i];
                site.Parameters.WriteTo(writer, $"{i}.weights");
                site.Means.WriteTo(writer, $"{i}.means");
                site.Squares.WriteTo(writer, $"{i}.squares");
                writer.Add<long>($"{i}.since_fired", [site.SinceFired.Length], site.SinceFired);
                RunCheckpoint.Write(writer, $"{i}.scalars", site.Scalars);
                writer.Begin($"{i}.rows", TensorType.F32, [rows, site.DIn]);
                for (int row = 0; row < rows; row++)
                {
                    writer.Append<float>(_buffer.Row(i, _buffer.Order[row]));
                }
            }

            writer.Complete();
        }

        Log.WriteCsv(Path.Combine(folder, LogName));
        AtomicFile.WriteAllText(Path.Combine(folder, ChartName), SaeTrainingChart.Draw(Log));
    }
}
