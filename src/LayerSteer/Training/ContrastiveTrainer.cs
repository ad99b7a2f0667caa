using System.Diagnostics;
using System.Globalization;
using LayerSteer.Formats;
using LayerSteer.Numerics;
using LayerSteer.Text;

namespace LayerSteer.Training;

/// <summary>Where a training is.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">The loss of a pair in nats, smoothed over about 50 steps.</param>
/// <param name="Accuracy">The share of passages nearest to their own neighbour of all in the batch, likewise.</param>
/// <param name="PairsPerSecond">Since this run began.</param>
/// <param name="Left">The time that is left at that pace.</param>
public readonly record struct ContrastiveProgress(
    int Step, int Steps, double Loss, double Accuracy, double PairsPerSecond, TimeSpan Left);

/// <summary>
/// Trains a static sentence encoder on raw text: neighbouring passages of one document are to be near each other, and
/// far from those of the other documents in the batch (InfoNCE, both directions), with Adam (Kingma and Ba 2015) on
/// exact gradients. The same corpus, options and seed give the same vectors for any number of threads, in one run or
/// resumed from a checkpoint. Not thread-safe; the caller disposes it.
/// </summary>
public sealed class ContrastiveTrainer : IDisposable
{
    /// <summary>The file of a run that is under way.</summary>
    public const string CheckpointName = "training.safetensors";

    private const double Smoothing = 0.98;

    private static readonly string[] Tensors = ["vectors", "means", "squares"];

    private readonly ContrastiveOptions _options;
    private readonly WorkerPool _pool;
    private readonly string _run;
    private readonly int _vocabulary;
    private readonly PairSampler _sampler;
    private readonly PassagePairs _batch = new();
    private readonly ContrastiveGradient _gradient;
    private readonly NativeBuffer _vectors;
    private readonly NativeBuffer _gradients;
    private readonly NativeBuffer _means;
    private readonly NativeBuffer _squares;
    private readonly int _length;
    private double _loss;
    private double _accuracy;

    /// <summary>Makes a run ready, at step 0.</summary>
    /// <param name="tokenizer">Of the encoder.</param>
    /// <param name="sources">The texts, as <see cref="TrainingTexts"/> encodes them with that tokenizer.</param>
    /// <param name="options">How to train.</param>
    /// <param name="pool">The threads.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">
    /// No document is long enough for a pair, or the tokenizer names no token that ends a text.
    /// </exception>
    public ContrastiveTrainer(
        TextTokenizer tokenizer, IReadOnlyList<TokenSource> sources, ContrastiveOptions options, WorkerPool pool)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        ArgumentNullException.ThrowIfNull(sources);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(pool);
        options.Validate();
        _options = options;
        _pool = pool;
        _run = $"{options}, tokenizer {tokenizer.Digest}, {TrainingTexts.Describe(sources)}";
        _vocabulary = tokenizer.VocabularySize;
        _sampler = new PairSampler(sources, TrainingTexts.EndOf(tokenizer), options);
        _length = checked(_vocabulary * options.Dimension);
        _gradient = new ContrastiveGradient(_pool, options.Batch, options.Dimension, (float)options.Temperature);
        _vectors = new NativeBuffer(_length);
        _gradients = new NativeBuffer(_length);
        _means = new NativeBuffer(_length);
        _squares = new NativeBuffer(_length);
        Initialise();
    }

    /// <summary>Steps done.</summary>
    public int Step { get; private set; }

    /// <summary>The loss of a pair in nats, smoothed over about 50 steps; 0 before the first.</summary>
    public double Loss => Step == 0 ? 0 : _loss / (1 - Math.Pow(Smoothing, Step));

    /// <summary>The share of passages nearest to their own neighbour, smoothed likewise.</summary>
    public double Accuracy => Step == 0 ? 0 : _accuracy / (1 - Math.Pow(Smoothing, Step));

    /// <summary>The vectors as they are now, [vocabulary, dimension], row-major; a copy.</summary>
    public float[] Vectors() => _vectors.Span(0, _length).ToArray();

    /// <summary>Runs all steps that are left.</summary>
    /// <param name="folder">Where the checkpoint is kept; it must exist. Null keeps nothing.</param>
    /// <param name="checkpointEvery">The time from one checkpoint to the next; null for one in the end alone.</param>
    /// <param name="progress">Told after each step; may be null.</param>
    /// <param name="cancellation">Checked before each step; the run is saved before it ends.</param>
    /// <exception cref="InvalidDataException">The loss is no longer finite; nothing is saved then.</exception>
    /// <exception cref="IOException">A checkpoint cannot be written; the one before is as it was.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; it can be resumed.</exception>
    public void Run(
        string? folder,
        TimeSpan? checkpointEvery = null,
        Action<ContrastiveProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        long began = Stopwatch.GetTimestamp();
        long saved = began;
        int first = Step;
        while (Step < _options.Steps)
        {
            RunStep();
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            progress?.Invoke(new ContrastiveProgress(
                Step,
                _options.Steps,
                Loss,
                Accuracy,
                (double)(Step - first) * _options.Batch / seconds,
                TimeSpan.FromSeconds(seconds / (Step - first) * (_options.Steps - Step))));
            bool due = checkpointEvery is { } time && Stopwatch.GetElapsedTime(saved) >= time;
            if (folder is not null && (due || cancellation.IsCancellationRequested || Step == _options.Steps))
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
        double step = Number("step");
        if (step < 0 || step > _options.Steps || step % 1 != 0)
        {
            throw new InvalidDataException(
                $"'{path}': step is {Display.Name(Value("step"))}, expected 0 to {_options.Steps}");
        }

        foreach ((string name, NativeBuffer values) in Tensors.Zip(States))
        {
            StoredTensor tensor = file[name];
            tensor.ExpectShape(_vocabulary, _options.Dimension);
            FiniteReader.Of(tensor)(0, values.Span(0, _length));
        }

        (_loss, _accuracy, Step) = (Number("loss"), Number("accuracy"), (int)step);
        return true;

        string Value(string key) => file.Values.GetValueOrDefault(key) as string ?? "nothing";

        double Number(string key) =>
            double.TryParse(Value(key), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                ? number
                : throw new InvalidDataException(
                    $"'{path}': {key} is {Display.Name(Value(key))}, expected a number");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _gradient.Dispose();
        _gradients.Dispose();
        foreach (NativeBuffer state in States)
        {
            state.Dispose();
        }
    }

    private NativeBuffer[] States => [_vectors, _means, _squares];

    /// <summary>Uniform numbers of the scale asked for.</summary>
    private void Initialise()
    {
        var random = new SplitMix64(new SplitMix64(~_options.Seed).Next());
        float most = (float)(_options.InitialScale * Math.Sqrt(3));
        foreach (ref float value in _vectors.Span(0, _length))
        {
            value = most * (float)((2 * random.NextDouble()) - 1);
        }
    }

    private void RunStep()
    {
        _sampler.Draw(Step, _batch);
        Span<float> vectors = _vectors.Span(0, _length);
        Span<float> gradients = _gradients.Span(0, _length);
        gradients.Clear();
        ContrastiveLoss result = _gradient.Run(_batch, vectors, gradients);
        if (!double.IsFinite(result.Loss))
        {
            throw new InvalidDataException(
                $"the loss is not finite at step {Step + 1}: try a smaller learning rate; "
                + "the last checkpoint is from before");
        }

        AdamKernel.Run(
            _pool,
            vectors,
            gradients,
            _means.Span(0, _length),
            _squares.Span(0, _length),
            new AdamStep(Rate(), 0.9f, 0.999f, 1e-8f, 0f, 1f, Step + 1));
        _loss = (Smoothing * _loss) + ((1 - Smoothing) * result.Loss);
        _accuracy = (Smoothing * _accuracy) + ((1 - Smoothing) * result.Accuracy);
        Step++;
    }

    private float Rate()
    {
        double warm = _options.WarmUp * _options.Steps;
        double rise = warm > 0 ? (Step + 1) / warm : 1;
        double fall = (_options.Steps - Step) / Math.Max(_options.Steps - warm, 1);
        return (float)(_options.LearningRate * Math.Min(1, Math.Min(rise, fall)));
    }

    private void Save(string folder)
    {
        Dictionary<string, string> metadata = RunCheckpoint.HeaderOf(_run);
        metadata["step"] = Step.ToString(CultureInfo.InvariantCulture);
        metadata["loss"] = _loss.ToString("R", CultureInfo.InvariantCulture);
        metadata["accuracy"] = _accuracy.ToString("R", CultureInfo.InvariantCulture);
        using var writer = new SafetensorsWriter(Path.Combine(folder, CheckpointName), metadata);
        foreach ((string name, NativeBuffer values) in Tensors.Zip(States))
        {
            writer.Add<float>(name, [_vocabulary, _options.Dimension], values.Span(0, _length));
        }

        writer.Complete();
    }
}
