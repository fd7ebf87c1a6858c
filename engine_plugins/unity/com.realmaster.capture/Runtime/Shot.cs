using System;
using Unity.Collections;
using Unity.Collections.LowLevel.Unsafe;
using UnityEngine;
using UnityEngine.Rendering;

namespace RealMaster
{
    /// <summary>
    /// A frame on its way from the GPU: the textures it is copied into, the readbacks that are under way, and what else
    /// belongs to it. Nobody waits for a readback; a frame is published when all of its own have come.
    /// </summary>
    internal sealed class Shot : IDisposable
    {
        public readonly RenderTexture Color, Scene, Depth, Motion;
        public ulong Number;
        public double Time;
        public float DeltaTime;
        public RmFlags Flags;
        public Matrix4x4 View, Projection, PreviousView, PreviousProjection;
        public float Near, Far;
        public bool Drawn;
        private readonly AsyncGPUReadbackRequest[] requests = new AsyncGPUReadbackRequest[4];
        private int pending;

        public Shot(int width, int height)
        {
            Color = Texture(width, height, RenderTextureFormat.ARGB32, false);
            Scene = Texture(width, height, RenderTextureFormat.ARGB32, false);
            Depth = Texture(width, height, RenderTextureFormat.RHalf, true);
            Motion = Texture(width, height, RenderTextureFormat.RGHalf, true);
        }

        public bool Busy { get { return pending > 0; } }

        public bool Done
        {
            get
            {
                for (int i = 0; i < pending; i++)
                    if (!requests[i].done) return false;
                return pending > 0;
            }
        }

        /// <summary>Starts to read everything back.</summary>
        public void Read()
        {
            requests[0] = AsyncGPUReadback.Request(Color, 0, TextureFormat.RGBA32);
            pending = 1;
            if (!Drawn) return;
            requests[1] = AsyncGPUReadback.Request(Scene, 0, TextureFormat.RGBA32);
            requests[2] = AsyncGPUReadback.Request(Depth, 0, TextureFormat.RHalf);
            requests[3] = AsyncGPUReadback.Request(Motion, 0, TextureFormat.RGHalf);
            pending = 4;
        }

        /// <summary>Hands the frame over. Returns 0 or a code for Native.Error; a readback that failed is left out.</summary>
        public unsafe int Publish(IntPtr ring, float metresPerUnit)
        {
            int error = 0;
            if (!requests[0].hasError)
            {
                RmFrame* frame = Native.rm_begin(ring);
                Fill(frame, metresPerUnit);
                error = Put(ring, 0, RmKind.Color, RmEncoding.Rgba8, Color, 4);
                if (error == 0 && pending == 4) error = Put(ring, 1, RmKind.SceneColor, RmEncoding.Rgba8, Scene, 4);
                if (error == 0 && pending == 4) error = Put(ring, 2, RmKind.Depth, RmEncoding.InverseZ, Depth, 2);
                if (error == 0 && pending == 4) error = Put(ring, 3, RmKind.Motion, RmEncoding.Pixels, Motion, 4);
                if (error == 0) error = Native.rm_publish(ring);
            }
            pending = 0;
            return error;
        }

        private unsafe void Fill(RmFrame* frame, float metresPerUnit)
        {
            frame->frame_id = Number;
            frame->t_game = Time;
            frame->dt = DeltaTime;
            frame->flags = (uint)(Drawn ? Flags : Flags | RmFlags.HudInColor);
            frame->metres_per_unit = metresPerUnit;
            frame->near = Near * metresPerUnit;
            frame->far = Far * metresPerUnit;
            frame->camera_source = Native.EngineCamera;
            for (int i = 0; i < 16; i++) // Unity's index runs down the columns, as ours does
            {
                frame->view[i] = View[i];
                frame->projection[i] = Projection[i];
                frame->previous_view[i] = PreviousView[i];
                frame->previous_projection[i] = PreviousProjection[i];
            }
        }

        private unsafe int Put(IntPtr ring, int request, RmKind kind, RmEncoding encoding, RenderTexture from, int pixelBytes)
        {
            if (requests[request].hasError) return 0;
            NativeArray<byte> data = requests[request].GetData<byte>();
            byte* pixels = (byte*)NativeArrayUnsafeUtility.GetUnsafeReadOnlyPtr(data);
            long row = from.width * pixelBytes;
            // A screenshot comes bottom row first everywhere; other textures begin where the graphics API has it.
            bool topDown = SystemInfo.graphicsUVStartsAtTop && kind != RmKind.Color;
            return Native.rm_put(ring, kind, encoding, (uint)from.width, (uint)from.height,
                                 topDown ? pixels : pixels + row * (from.height - 1), topDown ? row : -row);
        }

        private static RenderTexture Texture(int width, int height, RenderTextureFormat format, bool written)
        {
            var texture = new RenderTexture(width, height, 0, format);
            texture.enableRandomWrite = written;
            texture.Create();
            return texture;
        }

        public void Dispose()
        {
            Color.Release();
            Scene.Release();
            Depth.Release();
            Motion.Release();
        }
    }
}
