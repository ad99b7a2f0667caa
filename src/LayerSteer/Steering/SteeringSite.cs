using LayerSteer.Autoencoders;
using LayerSteer.Models;

namespace LayerSteer.Steering;

/// <summary>One autoencoder at one place of the model.</summary>
/// <param name="Point">The hook point.</param>
/// <param name="Autoencoder">The autoencoder that reads and writes there.</param>
public sealed record SteeringSite(HookPoint Point, SparseAutoencoder Autoencoder);
