using System.Buffers;

namespace LayerSteer.Numerics;

/// <summary>The k largest of many values; ties go to the lower index.</summary>
public static class TopK
{
    /// <summary>Selects the k largest values.</summary>
    /// <param name="values">The values, [n]; none may be NaN.</param>
    /// <param name="indices">Receives the indices of the min(k, n) largest in ascending order of index, [k].</param>
    /// <returns>How many were selected: the smaller of the two lengths.</returns>
    public static int Select(ReadOnlySpan<float> values, Span<int> indices)
    {
        int k = Math.Min(indices.Length, values.Length);
        if (k == 0)
        {
            return 0;
        }

        // A heap whose root is the selected entry that would leave first: the smallest, of equals the highest index.
        Span<int> heap = indices[..k];
        for (int i = 0; i < k; i++)
        {
            heap[i] = i;
        }

        for (int i = (k / 2) - 1; i >= 0; i--)
        {
            SiftDown(values, heap, i);
        }

        float least = values[heap[0]];
        for (int i = k; i < values.Length; i++)
        {
            // An equal value has a higher index than all in the heap and stays out.
            if (values[i] > least)
            {
                heap[0] = i;
                SiftDown(values, heap, 0);
                least = values[heap[0]];
            }
        }

        heap.Sort();
        return k;
    }

    /// <summary>Selects the k largest values in descending order of value, ties by ascending index.</summary>
    /// <param name="values">The values, [n]; none may be NaN.</param>
    /// <param name="indices">Receives the indices, [k].</param>
    /// <returns>How many were selected: the smaller of the two lengths.</returns>
    public static int SelectSorted(ReadOnlySpan<float> values, Span<int> indices)
    {
        int k = Select(values, indices);
        Span<int> selected = indices[..k];

        // Keys that ascend as values descend and, among equal values, as indices ascend.
        ulong[] keys = ArrayPool<ulong>.Shared.Rent(k);
        for (int i = 0; i < k; i++)
        {
            uint bits = BitConverter.SingleToUInt32Bits(values[selected[i]] + 0f); // −0 becomes +0, its equal
            uint ascending = (bits & 0x80000000) == 0 ? bits | 0x80000000 : ~bits;
            keys[i] = ((ulong)~ascending << 32) | (uint)selected[i];
        }

        keys.AsSpan(0, k).Sort();
        for (int i = 0; i < k; i++)
        {
            selected[i] = (int)(uint)keys[i];
        }

        ArrayPool<ulong>.Shared.Return(keys);
        return k;
    }

    private static void SiftDown(ReadOnlySpan<float> values, Span<int> heap, int parent)
    {
        while (true)
        {
            int child = (2 * parent) + 1;
            if (child >= heap.Length)
            {
                return;
            }

            if (child + 1 < heap.Length && LeavesFirst(values, heap[child + 1], heap[child]))
            {
                child++;
            }

            if (!LeavesFirst(values, heap[child], heap[parent]))
            {
                return;
            }

            (heap[parent], heap[child]) = (heap[child], heap[parent]);
            parent = child;
        }
    }

    private static bool LeavesFirst(ReadOnlySpan<float> values, int a, int b) =>
        values[a] < values[b] || (values[a] == values[b] && a > b);
}
