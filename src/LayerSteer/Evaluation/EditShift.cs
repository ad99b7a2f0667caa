namespace LayerSteer.Evaluation;

/// <summary>
/// What an edit does to the residual and to the next-token distribution, summed over positions; p is the unsteered
/// distribution, p' the steered one. Sums in double, in the order of the rows. Not thread-safe.
/// </summary>
/// <param name="width">The width of the residual.</param>
/// <param name="vocabulary">The number of tokens.</param>
internal sealed class EditShift(int width, int vocabulary)
{
    private readonly double[] _exponentials = new double[vocabulary];
    private double _rows;
    private double _push;
    private double _length;
    private double _norm;
    private double _divergence;
    private double _surprise;
    private double _entropy;
    private double _positions;
    private double _loss;
    private double _targets;

    /// <summary>Σ (x' − x), [width].</summary>
    public double[] Direction { get; } = new double[width];

    /// <summary>Σ (p' − p), [vocabulary].</summary>
    public double[] Tokens { get; } = new double[vocabulary];

    /// <summary>Mean ‖x' − x‖ / ‖x‖.</summary>
    public double Push => _push / _rows;

    /// <summary>Mean ‖x' − x‖.</summary>
    public double Length => _length / _rows;

    /// <summary>Mean ‖x‖.</summary>
    public double Norm => _norm / _rows;

    /// <summary>The rows of residuals.</summary>
    public double Rows => _rows;

    /// <summary>The positions of <see cref="Tokens"/>.</summary>
    public double Positions => _positions;

    /// <summary>Mean KL(p' ‖ p), nats.</summary>
    public double Divergence => _divergence / _positions;

    /// <summary>Mean Σ (p' − p)(−ln p), nats.</summary>
    public double Surprise => _surprise / _positions;

    /// <summary>Mean H(p') − H(p), nats.</summary>
    public double Entropy => _entropy / _positions;

    /// <summary>Mean −ln p'(token) + ln p(token) of the text's own tokens, nats.</summary>
    public double LossChange => _loss / _targets;

    /// <summary>Adds a residual before and after the edit.</summary>
    public void AddResidual(ReadOnlySpan<float> before, ReadOnlySpan<float> after)
    {
        double change = 0;
        double own = 0;
        for (int i = 0; i < width; i++)
        {
            double difference = (double)after[i] - before[i];
            Direction[i] += difference;
            change += difference * difference;
            own += (double)before[i] * before[i];
        }

        _rows++;
        _length += Math.Sqrt(change);
        _norm += Math.Sqrt(own);
        _push += own > 0 ? Math.Sqrt(change / own) : 0;
    }

    /// <summary>Adds the distributions of a position.</summary>
    /// <param name="p">p, [vocabulary].</param>
    /// <param name="unsteered">ln p, [vocabulary].</param>
    /// <param name="logits">Of p', [vocabulary].</param>
    public void AddDistribution(double[] p, double[] unsteered, ReadOnlySpan<float> logits)
    {
        double largest = LogLikelihood.Largest(logits);
        double sum = 0;
        for (int v = 0; v < vocabulary; v++)
        {
            double e = Math.Exp(logits[v] - largest);
            _exponentials[v] = e;
            sum += e;
        }

        double log = largest + Math.Log(sum);
        double divergence = 0;
        double surprise = 0;
        double entropy = 0;
        for (int v = 0; v < vocabulary; v++)
        {
            double steered = _exponentials[v] / sum;
            double own = p[v];
            double logSteered = logits[v] - log;
            Tokens[v] += steered - own;
            divergence += steered * (logSteered - unsteered[v]);
            surprise -= (steered - own) * unsteered[v];
            entropy += (own * unsteered[v]) - (steered * logSteered);
        }

        _divergence += divergence;
        _surprise += surprise;
        _entropy += entropy;
        _positions++;
    }

    /// <summary>Adds what a position gives to the token that follows in the text.</summary>
    public void AddTarget(double[] unsteered, ReadOnlySpan<float> logits, int token)
    {
        _loss += unsteered[token] - logits[token] + LogLikelihood.LogSum(logits);
        _targets++;
    }
}
