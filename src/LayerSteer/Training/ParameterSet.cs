using LayerSteer.Formats;
using LayerSteer.Models;
using LayerSteer.Numerics;

namespace LayerSteer.Training;

/// <summary>One tensor of a <see cref="ParameterSet"/>.</summary>
/// <param name="Name">Its name in a checkpoint.</param>
/// <param name="Shape">Its shape there.</param>
/// <param name="Start">Where it begins in the set, in floats.</param>
/// <param name="Length">The number of its elements.</param>
/// <param name="Decays">Whether weight decay applies: to matrices, not to biases and norms.</param>
public sealed record Parameter(string Name, IReadOnlyList<long> Shape, long Start, int Length, bool Decays);

/// <summary>
/// Named tensors, one after another in one piece of native memory, so that gradients and moments are sets of the same
/// layout and an optimiser runs over all of them at once. The caller disposes it.
/// </summary>
public sealed class ParameterSet : IDisposable
{
    private readonly NativeBuffer _values;
    private readonly Dictionary<string, Parameter> _byName;

    /// <summary>A set of the given layout, all +0.</summary>
    /// <param name="layout">The tensors, as <see cref="Gpt2Layout"/> gives them.</param>
    public ParameterSet(IReadOnlyList<Parameter> layout)
    {
        ArgumentNullException.ThrowIfNull(layout);
        Layout = layout;
        Length = EndOf(layout);
        _values = new NativeBuffer(Length);
        _byName = layout.ToDictionary(p => p.Name, StringComparer.Ordinal);
    }

    /// <summary>The tensors, in order.</summary>
    public IReadOnlyList<Parameter> Layout { get; }

    /// <summary>The number of floats.</summary>
    public long Length { get; }

    /// <summary>The elements of one tensor, row-major.</summary>
    /// <param name="name">Its name.</param>
    /// <exception cref="KeyNotFoundException">There is none of that name.</exception>
    public Span<float> this[string name] => Of(_byName[name]);

    /// <summary>The elements of one tensor of this layout.</summary>
    /// <param name="parameter">The tensor.</param>
    public Span<float> Of(Parameter parameter)
    {
        ArgumentNullException.ThrowIfNull(parameter);
        return _values.Span(parameter.Start, parameter.Length);
    }

    /// <summary>Sets everything to +0.</summary>
    public void Clear()
    {
        foreach (Parameter parameter in Layout)
        {
            Of(parameter).Clear();
        }
    }

    /// <summary>Copies everything from a set of the same layout.</summary>
    /// <param name="other">The source.</param>
    public void CopyFrom(ParameterSet other)
    {
        ArgumentNullException.ThrowIfNull(other);
        Shape.Require(other.Length == Length);
        foreach (Parameter parameter in Layout)
        {
            other.Of(parameter).CopyTo(Of(parameter));
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _values.Dispose();

    /// <summary>Writes everything as one float32 tensor.</summary>
    /// <param name="writer">The file.</param>
    /// <param name="name">The tensor's name.</param>
    internal void WriteTo(TensorWriter writer, string name)
    {
        writer.Begin(name, TensorType.F32, [Length]);
        foreach (Parameter parameter in Layout)
        {
            writer.Append<float>(Of(parameter));
        }
    }

    /// <summary>Reads everything from one tensor of its length.</summary>
    /// <param name="file">The file.</param>
    /// <param name="name">The tensor's name.</param>
    /// <exception cref="InvalidDataException">It is not there, or of another shape.</exception>
    internal void ReadFrom(TensorFile file, string name)
    {
        StoredTensor tensor = file[name];
        tensor.ExpectShape(Length);
        foreach (Parameter parameter in Layout)
        {
            tensor.Read(parameter.Start, Of(parameter));
        }
    }

    /// <summary>Adds a tensor to the end of a layout.</summary>
    internal static Parameter Add(List<Parameter> layout, string name, bool decays, params long[] shape)
    {
        int length = checked((int)shape.Aggregate(1L, (a, b) => a * b));
        var parameter = new Parameter(name, shape, EndOf(layout), length, decays);
        layout.Add(parameter);
        return parameter;
    }

    private static long EndOf(IReadOnlyList<Parameter> layout) =>
        layout.Count == 0 ? 0 : layout[^1].Start + layout[^1].Length;

    /// <summary>The tensors of a GPT-2 checkpoint, named and shaped as there.</summary>
    /// <param name="spec">The architecture; its family must be <c>gpt2</c>.</param>
    public static IReadOnlyList<Parameter> Gpt2Layout(ArchitectureSpec spec)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var layout = new List<Parameter>();
        Add(layout, "wte.weight", true, spec.Vocabulary, spec.DModel);
        Add(layout, "wpe.weight", true, spec.ContextLength, spec.DModel);
        for (int layer = 0; layer < spec.NLayers; layer++)
        {
            AddNorm($"h.{layer}.ln_1", spec.DModel);
            AddLinear($"h.{layer}.attn.c_attn", spec.DModel, 3 * spec.DModel);
            AddLinear($"h.{layer}.attn.c_proj", spec.DModel, spec.DModel);
            AddNorm($"h.{layer}.ln_2", spec.DModel);
            AddLinear($"h.{layer}.mlp.c_fc", spec.DModel, spec.DMlp);
            AddLinear($"h.{layer}.mlp.c_proj", spec.DMlp, spec.DModel);
        }

        AddNorm("ln_f", spec.DModel);
        if (!spec.TiedUnembedding)
        {
            Add(layout, "lm_head.weight", true, spec.Vocabulary, spec.DModel);
        }

        return layout;

        void AddNorm(string name, int d)
        {
            Add(layout, name + ".weight", false, d);
            Add(layout, name + ".bias", false, d);
        }

        void AddLinear(string name, int inputs, int outputs)
        {
            Add(layout, name + ".weight", true, inputs, outputs);
            Add(layout, name + ".bias", false, outputs);
        }
    }
}
