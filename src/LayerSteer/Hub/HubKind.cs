namespace LayerSteer.Hub;

/// <summary>What a name on a hub stands for.</summary>
public enum HubKind
{
    /// <summary>A language model with its tokenizer.</summary>
    Model,

    /// <summary>A sparse autoencoder.</summary>
    Autoencoder,

    /// <summary>A sentence encoder with its tokenizer.</summary>
    Encoder,
}
