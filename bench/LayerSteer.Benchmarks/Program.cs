using LayerSteer.Benchmarks;

if (args is ["random", string folder, string vocabularies, "gpt2-small" or "tiny"])
{
    RandomFiles.Write(folder, vocabularies, args[3] == "tiny" ? RandomShape.Tiny : RandomShape.Gpt2Small);
    return 0;
}

Console.Error.WriteLine("usage: random FOLDER VOCABULARIES gpt2-small|tiny");
return 1;
