using LayerSteer.Benchmarks;

if (args is ["random", string folder, string tokenizers])
{
    RandomFiles.Write(folder, tokenizers);
    return 0;
}

Console.Error.WriteLine("usage: random FOLDER TOKENIZERS");
return 1;
