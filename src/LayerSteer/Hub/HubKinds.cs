namespace LayerSteer.Hub;

/// <summary>Kinds by name.</summary>
public static class HubKinds
{
    /// <summary>As commands print it: <c>model</c>, <c>autoencoder</c> or <c>encoder</c>.</summary>
    /// <param name="kind">The kind.</param>
    public static string NameOf(HubKind kind) => kind switch
    {
        HubKind.Model => "model",
        HubKind.Autoencoder => "autoencoder",
        _ => "encoder",
    };
}
