using System;
using System.Runtime.InteropServices;

namespace RealMaster
{
    /// <summary>One buffer of a frame, 32 bytes: rm_buffer in realmaster.h.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct RmBuffer
    {
        public ushort kind, encoding, dtype, channels;
        public uint width, height;
        public ulong offset, bytes;
    }

    /// <summary>A frame's header, 1024 bytes: rm_frame in realmaster.h. Its functions fill in the rest.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public unsafe struct RmFrame
    {
        public uint magic, size, version, flags;
        public ulong frame_id, session_id;
        public double t_game;
        public ulong t_capture_ns;
        public float dt;
        public uint dropped, width, height;
        public fixed float view[16];
        public fixed float projection[16];
        public fixed float previous_view[16];
        public fixed float previous_projection[16];
        public float near, far, metres_per_unit;
        public uint camera_source, buffer_count;
        public fixed byte reserved[44];
        public fixed byte buffers[16 * 32];
        public fixed byte reserve[128];
    }

    public enum RmKind { Color = 1, SceneColor, Depth, Motion, Normal, ObjectId }

    public enum RmEncoding { Rgba8 = 1, InverseZ, LinearZ, Pixels, WorldXyz0, Index }

    [Flags]
    public enum RmFlags { Reset = 1, HudInColor = 2, Paused = 4 }

    /// <summary>The writer in C, librealmaster.so beside this package. See realmaster.h for what each call does.</summary>
    public static unsafe class Native
    {
        private const string Library = "realmaster";
        public const uint EngineCamera = 1;

        [DllImport(Library)] public static extern ulong rm_frame_bytes(ulong bufferBytes);
        [DllImport(Library)] public static extern int rm_open(string name, ulong frameBytes, int mode, out IntPtr ring);
        [DllImport(Library)] public static extern int rm_reopen(IntPtr ring, ulong frameBytes);
        [DllImport(Library)] public static extern int rm_wanted(IntPtr ring);
        [DllImport(Library)] public static extern RmFrame* rm_begin(IntPtr ring);
        [DllImport(Library)] public static extern int rm_put(
            IntPtr ring, RmKind kind, RmEncoding encoding, uint width, uint height, void* pixels, long rowBytes);
        [DllImport(Library)] public static extern int rm_publish(IntPtr ring);
        [DllImport(Library)] public static extern void rm_close(IntPtr ring);
        [DllImport(Library)] private static extern IntPtr rm_error(int code);

        /// <summary>A code in words.</summary>
        public static string Error(int code)
        {
            return Marshal.PtrToStringAnsi(rm_error(code));
        }
    }
}
