using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using LayerSteer.Formats;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>Where a training is.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Steps">Steps in all.</param>
/// <param name="Loss">The loss of a pair in nats, smoothed over about 50 steps.</param>
/// <param name="Accuracy">The share of passages nearest to their own neighbour in their batch, smoothed likewise.</param>
/// <param name="PairsPerSecond">Since this run began.</param>
/// <param name="Left">The time that is left at that pace.</param>
public sealed record ContrastiveProgress(
    int Step, int Steps, double Loss, double Accuracy, double PairsPerSecond, TimeSpan Left);

/// <summary>
/// Trains a static sentence encoder on raw text: neighbouring passages of one document are to be near each other, and
/// far from those of the other documents in the batch (InfoNCE, both directions), with Adam (Kingma and Ba 2015) on
/// exact gradients. The same corpus, options and seed give the same vectors for any number of threads, in one run or
/// resumed from a checkpoint. Not thread-safe; the caller disposes it.
/// </summary>
public sealed class ContrastiveTrainer : IDisposable
{
    private const string Format = "layersteer contrastive training";
    private const string Version = "1";
    private const double Smoothing = 0.98;
    private const int StepsOfCheckpoint = 500;

    private static readonly string[] Tensors = ["vectors", "means", "squares"];

    private readonly PassageCorpus _corpus;
    private readonly ContrastiveOptions _options;
    private readonly WorkerPool _pool;
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

    /// <summary>A trainer at step 0.</summary>
    /// <param name="corpus">The documents.</param>
    /// <param name="options">How to train.</param>
    /// <param name="pool">The threads; the process's pool if null.</param>
    /// <exception cref="ArgumentException">An option is out of range.</exception>
    /// <exception cref="InvalidDataException">No document is long enough for a pair.</exception>
    public ContrastiveTrainer(PassageCorpus corpus, ContrastiveOptions options, WorkerPool? pool = null)
    {
        ArgumentNullException.ThrowIfNull(corpus);
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        _corpus = corpus;
        _options = options;
        _pool = pool ?? WorkerPool.Shared;
        _sampler = new PairSampler(corpus, options);
        _length = checked(corpus.Vocabulary * options.Dimension);
        _gradient = new ContrastiveGradient(_pool, options.Batch, options.Dimension, (float)options.Temperature);
        _vectors = new NativeBuffer(_length);
        _gradients = new NativeBuffer(_length);
        _means = new NativeBuffer(_length);
        _squares = new NativeBuffer(_length);
        Identity = IdentityOf(corpus, options);
        Initialise();
    }

    /// <summary>Steps done.</summary>
    public int Step { get; private set; }

    /// <summary>The loss of a pair in nats, smoothed over about 50 steps; 0 before the first.</summary>
    public double Loss => Step == 0 ? 0 : _loss / (1 - Math.Pow(Smoothing, Step));

    /// <summary>The share of passages nearest to their own neighbour, smoothed likewise.</summary>
    public double Accuracy => Step == 0 ? 0 : _accuracy / (1 - Math.Pow(Smoothing, Step));

    /// <summary>A digest of all that decides the vectors: tokenizer, documents, weights of sources, options.</summary>
    public string Identity { get; }

    /// <summary>The vectors as they are now, [vocabulary, dimension], row-major; a copy.</summary>
    /// <remarks>
    /// With <see cref="ContrastiveOptions.RemovesMean"/> without their mean. That is exact: a mean of vectors moves by
    /// as much as each of them does.
    /// </remarks>
    public float[] Vectors()
    {
        float[] vectors = _vectors.Span(0, _length).ToArray();
        if (!_options.RemovesMean)
        {
            return vectors;
        }

        int d = _options.Dimension;
        double[] mean = new double[d];
        long[] counts = _corpus.Counts();
        for (int token = 0; token < counts.Length; token++)
        {
            for (int i = 0; i < d; i++)
            {
                mean[i] += counts[token] / (double)_corpus.TokenCount * vectors[(token * d) + i];
            }
        }

        for (int i = 0; i < vectors.Length; i++)
        {
            vectors[i] = (float)(vectors[i] - mean[i % d]);
        }

        return vectors;
    }

    /// <summary>Runs the steps that are left.</summary>
    /// <param name="checkpoint">
    /// A file that is written every 500 steps, at the end and when the run is cancelled, and from which
    /// <see cref="Resume"/> goes on; null for none.
    /// </param>
    /// <param name="progress">Told after each step; null for nobody.</param>
    /// <param name="cancellation">Checked before each step.</param>
    /// <exception cref="ArgumentException">The loss is no longer finite: the learning rate is too high.</exception>
    /// <exception cref="IOException">The checkpoint cannot be written; the one before is as it was.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public void Run(
        string? checkpoint = null,
        IProgress<ContrastiveProgress>? progress = null,
        CancellationToken cancellation = default)
    {
        long began = Stopwatch.GetTimestamp();
        int first = Step;
        while (Step < _options.Steps)
        {
            if (cancellation.IsCancellationRequested)
            {
                Keep(checkpoint);
                throw new OperationCanceledException(cancellation);
            }

            Advance();
            double seconds = Stopwatch.GetElapsedTime(began).TotalSeconds;
            progress?.Report(new ContrastiveProgress(
                Step,
                _options.Steps,
                Loss,
                Accuracy,
                (double)(Step - first) * _options.Batch / seconds,
                TimeSpan.FromSeconds(seconds / (Step - first) * (_options.Steps - Step))));
            if (Step % StepsOfCheckpoint == 0 || Step == _options.Steps)
            {
                Keep(checkpoint);
            }
        }
    }

    /// <summary>Writes all that a later run needs to go on as if it had not been interrupted.</summary>
    /// <param name="path">The file; an existing one is replaced when the new one is whole.</param>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Save(string path)
    {
        var metadata = new Dictionary<string, string>
        {
            ["format"] = Format,
            ["version"] = Version,
            ["run"] = Identity,
            ["step"] = Step.ToString(CultureInfo.InvariantCulture),
            ["loss"] = _loss.ToString("R", CultureInfo.InvariantCulture),
            ["accuracy"] = _accuracy.ToString("R", CultureInfo.InvariantCulture),
        };
        using var writer = new SafetensorsWriter(path, metadata);
        long[] shape = [_corpus.Vocabulary, _options.Dimension];
        foreach ((string name, NativeBuffer values) in Tensors.Zip(States))
        {
            writer.Add<float>(name, shape, values.Span(0, _length));
        }

        writer.Complete();
    }

    /// <summary>Goes on where a checkpoint of the same run was written.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">
    /// The file is damaged, no checkpoint, or one of another run: with another tokenizer, corpus or option.
    /// </exception>
    public void Resume(string path)
    {
        using TensorFile file = TensorFile.Open(path);
        string Value(string key) => file.Values.GetValueOrDefault(key) as string ?? "nothing";
        if (Value("format") != Format || Value("version") != Version)
        {
            throw new InvalidDataException(
                $"'{path}': format is {Display.Name(Value("format"))}, version {Display.Name(Value("version"))}; "
                + $"expected {Format}, version {Version}");
        }

        if (Value("run") != Identity)
        {
            throw new InvalidDataException(
                $"'{path}': is of another run, with another tokenizer, corpus or option; "
                + "give what that run was given, or another folder");
        }

        if (!int.TryParse(Value("step"), NumberStyles.None, CultureInfo.InvariantCulture, out int step)
            || step > _options.Steps)
        {
            throw new InvalidDataException(
                $"'{path}': step is {Display.Name(Value("step"))}, expected a number up to {_options.Steps}");
        }

        double Smoothed(string key) =>
            double.TryParse(Value(key), NumberStyles.Float, CultureInfo.InvariantCulture, out double number)
                ? number
                : throw new InvalidDataException(
                    $"'{path}': {key} is {Display.Name(Value(key))}, expected a number");
        (double loss, double accuracy) = (Smoothed("loss"), Smoothed("accuracy"));
        foreach ((string name, NativeBuffer values) in Tensors.Zip(States))
        {
            StoredTensor tensor = file[name];
            tensor.ExpectShape(_corpus.Vocabulary, _options.Dimension);
            FiniteReader.Of(tensor)(0, values.Span(0, _length));
        }

        (_loss, _accuracy, Step) = (loss, accuracy, step);
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

    private static string IdentityOf(PassageCorpus corpus, ContrastiveOptions options)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"{Format} {Version}\n{corpus.TokenizerDigest}\n{corpus.Digest}\n");
        foreach (PassageCorpus.Source source in corpus.Sources)
        {
            text.Append(CultureInfo.InvariantCulture, $"{source.Documents.Count} {source.Weight:R}\n");
        }

        text.Append(CultureInfo.InvariantCulture, $"{options.Dimension} {options.Steps} {options.Batch} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.LearningRate:R} {options.WarmUp:R} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.Temperature:R} {options.TokenDropout:R} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.MinTokens} {options.MaxTokens} {options.MaxGap} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.Balance:R} {options.FrequencySmoothing:R} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.InitialScale:R} {options.WeightDecay:R} ");
        text.Append(CultureInfo.InvariantCulture, $"{options.RemovesMean} {options.Seed}");
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    /// <summary>Uniform numbers of the scale asked for, shorter for frequent tokens.</summary>
    private void Initialise()
    {
        var random = new SplitMix64(new SplitMix64(~_options.Seed).Next());
        long[] counts = _options.FrequencySmoothing > 0 ? _corpus.Counts() : [];
        Span<float> vectors = _vectors.Span(0, _length);
        for (int token = 0; token < _corpus.Vocabulary; token++)
        {
            double share = counts.Length == 0 ? 0 : counts[token] / (double)_corpus.TokenCount;
            double scale = counts.Length == 0
                ? _options.InitialScale
                : _options.InitialScale * _options.FrequencySmoothing / (_options.FrequencySmoothing + share);
            foreach (ref float value in vectors.Slice(token * _options.Dimension, _options.Dimension))
            {
                value = (float)(scale * Math.Sqrt(3) * ((2 * random.NextDouble()) - 1));
            }
        }
    }

    private void Advance()
    {
        _sampler.Draw(Step, _batch);
        Span<float> vectors = _vectors.Span(0, _length);
        Span<float> gradients = _gradients.Span(0, _length);
        gradients.Clear();
        ContrastiveLoss result = _gradient.Run(_batch, vectors, gradients);
        if (!double.IsFinite(result.Loss))
        {
            throw new ArgumentException(string.Create(
                CultureInfo.InvariantCulture,
                $"the loss is {result.Loss} at step {Step + 1}: the learning rate {_options.LearningRate} is too high"));
        }

        AdamKernel.Run(
            _pool,
            vectors,
            gradients,
            _means.Span(0, _length),
            _squares.Span(0, _length),
            new AdamStep(Rate(), 0.9f, 0.999f, 1e-8f, (float)_options.WeightDecay, 1f, Step + 1));
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

    private void Keep(string? checkpoint)
    {
        if (checkpoint is not null)
        {
            Save(checkpoint);
        }
    }
}
