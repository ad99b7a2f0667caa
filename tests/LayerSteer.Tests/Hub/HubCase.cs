using LayerSteer.Hub;
using LayerSteer.Tests.Formats;
using Xunit;

namespace LayerSteer.Tests.Hub;

/// <summary>A hub with one model and an empty cache, for tests of pulling.</summary>
internal sealed class HubCase : IDisposable
{
    public const string Name = "org/tiny";
    public const int WeightBytes = 700_001;

    private readonly TempFolder _folder = new();

    public HubCase()
    {
        new Random(1).NextBytes(Weights);
        Model = Server.Add(Name, [("config.json", Config), ("vocab.json", Vocabulary), ("model.safetensors", Weights),
            ("README.md", Config), ("pytorch_model.bin", Config), ("onnx/model.onnx", Config)]);
        Settings = new HubSettings
        {
            CacheFolder = _folder.File("hub"),
            Endpoint = Server.Address,
            AnswerTimeout = TimeSpan.FromSeconds(60),
            DownloadTimeout = TimeSpan.FromSeconds(60),
            RetryDelay = TimeSpan.FromMilliseconds(1),
            Token = "hf_secret",
        };
    }

    public HubServer Server { get; } = new();

    public HubServedRepository Model { get; }

    public HubSettings Settings { get; set; }

    public byte[] Config { get; } = """{"model_type": "gpt2"}"""u8.ToArray();

    public byte[] Vocabulary { get; } = "{}"u8.ToArray();

    public byte[] Weights { get; } = new byte[WeightBytes];

    public string Repository => Path.Combine(Settings.CacheFolder, "models--org--tiny");

    public string Snapshot => Path.Combine(Repository, "snapshots", Model.Commit);

    public string Blob => Path.Combine(Repository, "blobs", HubServedRepository.Sha256(Weights));

    public string Incomplete => Blob + ".incomplete";

    /// <summary>Makes the server answer the next so many requests for the weights in its own way.</summary>
    public void OnWeights(int times, Func<HubRequest, HubAnswer?> answer)
    {
        int left = times;
        Server.Intercept = request =>
            request.Method == "GET" && request.Path.EndsWith("/model.safetensors", StringComparison.Ordinal)
                && Interlocked.Decrement(ref left) >= 0
                ? answer(request)
                : null;
    }

    /// <summary>What the server would answer, changed.</summary>
    public HubAnswer Changed(HubRequest request, Func<HubAnswer, HubAnswer> change)
    {
        HubAnswer answer = Server.Answer(request);
        HubAnswer changed = change(answer);
        foreach ((string name, string value) in answer.Headers)
        {
            changed.Headers.TryAdd(name, value);
        }

        return changed;
    }

    public async Task<PullResult> Pull(string name = Name)
    {
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        using var pull = new HubPull(Settings);
        PullPlan plan = await pull.PlanAsync(HubNames.Resolve(name), cancellation);
        return await pull.FetchAsync(plan, null, cancellation);
    }

    /// <summary>The message with which a pull is refused.</summary>
    public async Task<string> Refused<TException>(string name = Name)
        where TException : Exception => (await Assert.ThrowsAsync<TException>(() => Pull(name))).Message;

    public void Dispose()
    {
        Server.Dispose();
        _folder.Dispose();
    }
}
