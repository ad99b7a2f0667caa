using System.Runtime.InteropServices;

namespace LayerSteer.Formats;

/// <summary>Native memory with a 64-bit length: an inflated tensor can exceed what an array can hold.</summary>
internal sealed class InflatedBytes : SafeBuffer
{
    public InflatedBytes(long length)
        : base(ownsHandle: true)
    {
        unsafe
        {
            SetHandle((nint)NativeMemory.Alloc((nuint)Math.Max(length, 1)));
        }

        Initialize((ulong)Math.Max(length, 1));
    }

    protected override bool ReleaseHandle()
    {
        unsafe
        {
            NativeMemory.Free((void*)handle);
        }

        return true;
    }
}
