using System.Diagnostics;
using LayerSteer.Autoencoders;
using LayerSteer.Numerics;
using LayerSteer.Steering;

namespace LayerSteer.Benchmarks;

/// <summary>
/// The step through the autoencoder alone: 32,768 latents, width 768, TopK(32), with caches that hold none of it, as
/// between two layers of a model. The floor is one reading of the int8 rows (25.2 MB), just as cold, in the same round;
/// for more than one row the longer of that and the multiply-adds at the float32 peak. Name <c>dense</c> is the encoder
/// in float32 with all pre-activations.
/// </summary>
internal static class SaeBenchmark
{
    private const string Dense = "dense";
    private const string Encode = "encode";

    public static IReadOnlyList<Figure> Run(BenchmarkOptions options)
    {
        using var machine = new MachineSpeed();
        using var steering = new RandomSteering();
        var figures = new List<Figure>();
        foreach (int threads in options.Threads)
        {
            using var pool = new WorkerPool(threads);
            using var edits = steering.With(pool);
            foreach (int batch in options.Batches)
            {
                Arm[] arms = [.. new[] { Dense, Encode }.Concat(options.Names.Where(n => n != "unsteered"))
                    .Select(name => new Arm(edits, name, batch, threads))];
                Console.Error.WriteLine($"{threads} threads, {batch} rows");
                Array.ForEach(arms, arm => arm.WarmUp());
                for (int round = -1; round < options.Rounds; round++)
                {
                    double peak = machine.PeakFlops(pool);
                    foreach (Arm arm in arms)
                    {
                        machine.Bandwidth(pool);
                        double read = machine.TimeToRead(pool, edits.Encoder.Quantised);
                        machine.Bandwidth(pool);
                        double milliseconds = arm.Step();
                        if (round >= 0)
                        {
                            arm.Figure.Add(milliseconds / batch, arm.Floor(read, peak) / batch);
                        }
                    }
                }

                figures.AddRange(arms.Select(arm => arm.Figure));
                if (!options.Json)
                {
                    Array.ForEach(arms, arm => arm.PrintCandidates());
                }
            }
        }

        return figures;
    }

    private sealed class Arm
    {
        private readonly SparseAutoencoder _autoencoder;
        private readonly LayerEdit? _edit;
        private readonly EditScratch _scratch;
        private readonly float[] _x;
        private readonly float[] _edited;
        private readonly float[] _dense = [];
        private readonly InputScale[] _scales;
        private readonly EditStatistics _statistics = new();

        public Arm(RandomSteering.Edits edits, string name, int batch, int threads)
        {
            _autoencoder = edits.Autoencoder;
            _edit = name is Dense or Encode ? null : edits.Plan(name)!.Edits[0];
            _scratch = new EditScratch(_autoencoder);
            var normal = new Normal(5);
            _x = [.. Enumerable.Range(0, batch * _autoencoder.DIn).Select(_ => normal.Next())];
            _edited = new float[_x.Length];
            _scales = new InputScale[batch];
            if (name == Dense)
            {
                _dense = new float[batch * _autoencoder.DSae];
            }

            Figure = new Figure(name, WeightType.F32, threads, batch, 0);
        }

        public Figure Figure { get; }

        private bool Encodes => _edit is null || _edit.Encodes;

        public double Floor(double read, double peak)
        {
            double operations = 2.0 * Figure.Batch * _autoencoder.DSae * _autoencoder.DIn;
            return Math.Max(read, Encodes ? 1e3 * operations / peak : 0);
        }

        /// <summary>Steps until the JIT has left no slow code behind.</summary>
        public void WarmUp()
        {
            for (int i = 0; i < 100; i++)
            {
                Step();
            }
        }

        public double Step()
        {
            _x.CopyTo(_edited, 0);
            long start = Stopwatch.GetTimestamp();
            if (_dense.Length > 0)
            {
                _autoencoder.PreActivations(_x, Figure.Batch, _dense, _scales);
            }
            else if (Encodes)
            {
                _autoencoder.Encode(_x, Figure.Batch, _scratch.Encoded);
            }

            for (int row = 0; row < Figure.Batch; row++)
            {
                Span<float> x = _edited.AsSpan(row * _autoencoder.DIn, _autoencoder.DIn);
                if (_edit is not null)
                {
                    InputScale scale = Encodes ? _scratch.Encoded.Scales[row] : _autoencoder.ScaleOf(x);
                    _edit.Apply(x, row, scale, 0, _scratch, _statistics);
                }
                else if (_dense.Length > 0)
                {
                    _autoencoder.Activate(
                        _dense.AsSpan(row * _autoencoder.DSae, _autoencoder.DSae), _scratch.Latents);
                }
                else
                {
                    _scratch.Encoded.Activate(row, _scratch.Latents);
                }
            }

            return Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        }

        public void PrintCandidates()
        {
            EncodedRows encoded = _scratch.Encoded;
            if (encoded.Candidates + encoded.DenseSelections > 0)
            {
                Console.WriteLine($"{Figure.Name}, {Figure.Batch} rows: {encoded.Candidates} candidates computed, "
                    + $"{encoded.DenseSelections} selections from all latents");
            }
        }
    }
}
