using LayerSteer.Models;
using LayerSteer.Numerics;
using LayerSteer.Training;

namespace LayerSteer.Tests.Training;

/// <summary>The plain scalar implementation of a GPT-2 model's loss, one number after another, in double.</summary>
internal sealed class ScalarDecoder
{
    private readonly ArchitectureSpec _spec;
    private readonly ScalarTape _tape = new();
    private readonly Dictionary<string, Scalar[]> _parameters = [];

    public ScalarDecoder(ArchitectureSpec spec, IReadOnlyList<Parameter> layout, Func<Parameter, int, double> value)
    {
        _spec = spec;
        foreach (Parameter parameter in layout)
        {
            _parameters[parameter.Name] =
                [.. Enumerable.Range(0, parameter.Length).Select(i => _tape.Variable(value(parameter, i)))];
        }
    }

    /// <summary>The mean loss of windows of length + 1 tokens.</summary>
    public Scalar Loss(int[][] windows)
    {
        Scalar[] losses = [.. windows.SelectMany(LossesOf)];
        return losses.Aggregate((a, b) => a + b) * (1.0 / losses.Length);
    }

    /// <summary>The gradient of a loss by every parameter, in the order of the layout.</summary>
    public double[] GradientsOf(Scalar loss) => _tape.Gradients(loss)[.._parameters.Values.Sum(p => p.Length)];

    private IEnumerable<Scalar> LossesOf(int[] window)
    {
        Scalar[][] r =
            [.. window[..^1].Select((token, i) => Add(Row("wte.weight", token), Row("wpe.weight", i)))];
        for (int layer = 0; layer < _spec.NLayers; layer++)
        {
            string h = $"h.{layer}.";
            Scalar[][] qkv = [.. r.Select(x => Linear(h + "attn.c_attn", Norm(h + "ln_1", x)))];
            Scalar[][] z = [.. r.Select((_, i) => Attend(qkv, i, layer))];
            r = [.. r.Zip(z, (x, y) => Add(x, Linear(h + "attn.c_proj", y)))];
            r = [.. r.Select(x => Add(x, Mlp(h, x)))];
        }

        string unembedding = _spec.TiedUnembedding ? "wte.weight" : "lm_head.weight";
        for (int i = 0; i < r.Length; i++)
        {
            Scalar[] x = Norm("ln_f", r[i]);
            Scalar[] logits = [.. Enumerable.Range(0, _spec.Vocabulary).Select(v => Dot(x, Row(unembedding, v)))];
            Scalar total = logits.Select(l => l.Exp()).Aggregate((a, b) => a + b);
            yield return total.Log() - logits[window[i + 1]];
        }
    }

    private Scalar[] Mlp(string h, Scalar[] x) =>
        Linear(h + "mlp.c_proj", Activate(Linear(h + "mlp.c_fc", Norm(h + "ln_2", x))));

    private Scalar[] Attend(Scalar[][] qkv, int i, int layer)
    {
        var z = new List<Scalar>();
        int d = _spec.DHead;
        for (int head = 0; head < _spec.NHeads; head++)
        {
            int kv = head / (_spec.NHeads / _spec.NKeyValueHeads);
            Scalar[] q = qkv[i][(head * d)..((head + 1) * d)];
            Scalar[] weights =
                [
                    .. Enumerable.Range(0, i + 1).Select(j =>
                        (Dot(q, Slice(qkv[j], _spec.NHeads + kv)) * _spec.AttentionScaleOf(layer)).Exp()),
                ];
            Scalar total = weights.Aggregate((a, b) => a + b);
            for (int c = 0; c < d; c++)
            {
                Scalar[] column =
                    [.. Enumerable.Range(0, i + 1).Select(j =>
                        Slice(qkv[j], _spec.NHeads + _spec.NKeyValueHeads + kv)[c])];
                z.Add(Dot(weights, column) / total);
            }
        }

        return [.. z];

        Scalar[] Slice(Scalar[] row, int part) => row[(part * d)..((part + 1) * d)];
    }

    private Scalar[] Activate(Scalar[] x) => [.. x.Select(v => _spec.Activation switch
    {
        Activation.Relu => v.Map(Math.Max(0, v.Value), v.Value > 0 ? 1 : 0),
        Activation.GeluTanh => v * (((v + (v * v * v * 0.044715)) * Math.Sqrt(2 / Math.PI)).Tanh() + 1) * 0.5,
        Activation.Silu => v / ((v * -1.0).Exp() + 1),
        _ => v * Normal(v),
    })];

    private static Scalar Normal(Scalar v)
    {
        // Φ by Simpson's rule from 0: exact to 1e-12 over the values of a test.
        const int Steps = 2000;
        double h = v.Value / Steps;
        double sum = 0;
        for (int i = 0; i <= Steps; i++)
        {
            sum += (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2) * Density(i * h);
        }

        return v.Map(0.5 + (sum * h / 3), Density(v.Value));
    }

    private static double Density(double x) => Math.Exp(-x * x / 2) / Math.Sqrt(2 * Math.PI);

    private Scalar[] Norm(string name, Scalar[] x)
    {
        Scalar mean = x.Aggregate((a, b) => a + b) * (1.0 / x.Length);
        Scalar[] centred = [.. x.Select(v => v - mean)];
        Scalar deviation = ((Dot(centred, centred) * (1.0 / x.Length)) + _spec.NormEpsilon).Root();
        return [.. centred.Select((v, i) =>
            (v / deviation * _parameters[name + ".weight"][i]) + _parameters[name + ".bias"][i])];
    }

    private Scalar[] Linear(string name, Scalar[] x)
    {
        Scalar[] bias = _parameters[name + ".bias"];
        Scalar[] weight = _parameters[name + ".weight"];
        return [.. bias.Select((b, o) => Dot(x, [.. x.Select((_, i) => weight[(i * bias.Length) + o])]) + b)];
    }

    private Scalar[] Row(string name, int row) =>
        _parameters[name][(row * _spec.DModel)..((row + 1) * _spec.DModel)];

    private static Scalar[] Add(Scalar[] a, Scalar[] b) => [.. a.Zip(b, (x, y) => x + y)];

    private static Scalar Dot(Scalar[] a, Scalar[] b) => a.Zip(b, (x, y) => x * y).Aggregate((x, y) => x + y);
}
