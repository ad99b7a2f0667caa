namespace LayerSteer.Text;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks, as the model's template names it: usually <c>system</c>, <c>user</c> or
/// <c>assistant</c>.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatTurn(string Role, string Content);
