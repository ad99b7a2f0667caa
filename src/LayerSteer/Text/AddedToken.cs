namespace LayerSteer.Text;

/// <summary>
/// A token that is looked for literally in the text, before the model sees it (spec of tokenizer.json's added_tokens).
/// </summary>
/// <param name="Content">The literal text; not empty.</param>
/// <param name="Id">Its id.</param>
/// <param name="Normalized">Look for it in the normalised text, after the others.</param>
/// <param name="SingleWord">Only where no word character touches it.</param>
/// <param name="StripLeft">Takes the white space before it along.</param>
/// <param name="StripRight">Takes the white space after it along.</param>
internal sealed record AddedToken(
    string Content,
    int Id,
    bool Normalized = false,
    bool SingleWord = false,
    bool StripLeft = false,
    bool StripRight = false);
