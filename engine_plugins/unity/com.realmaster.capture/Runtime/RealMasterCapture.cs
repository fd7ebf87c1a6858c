using System;
using System.Collections;
using UnityEngine;
using UnityEngine.Rendering;

namespace RealMaster
{
    /// <summary>
    /// Put this on the game's camera, and its frames are in the ring `ringName` for RealMaster on the same machine
    /// (Linux). While nobody reads, nothing is copied. Works with the built-in pipeline, URP and HDRP.
    /// </summary>
    [RequireComponent(typeof(Camera))]
    [AddComponentMenu("Rendering/RealMaster Capture")]
    public sealed class RealMasterCapture : MonoBehaviour
    {
        [Tooltip("Letters, digits, '-' or '_': realmaster live --game none --ring NAME")]
        public string ringName = "unity";
        [Tooltip("Length in metres of a unit of the world")]
        public float metresPerUnit = 1;
        [Tooltip("RealMasterBuffers.compute of this package")]
        public ComputeShader buffers;

        private const int InFlight = 4;
        private static readonly int DepthOut = Shader.PropertyToID("RmDepth"), MotionOut = Shader.PropertyToID("RmMotion");
        private static readonly int DepthIn = Shader.PropertyToID("_CameraDepthTexture");
        private static readonly int MotionIn = Shader.PropertyToID("_CameraMotionVectorsTexture");
        private static readonly int ZBuffer = Shader.PropertyToID("RmZBuffer"), Size = Shader.PropertyToID("RmSize");

        private readonly Shot[] shots = new Shot[InFlight];
        private new Camera camera;
        private CommandBuffer commands;
        private IntPtr ring;
        private int width, height, oldest, current = -1;
        private ulong number, skipped;
        private bool cut = true, seen;
        private Matrix4x4 previousView, previousProjection;

        /// <summary>Frames that were not taken because four were still on their way.</summary>
        public ulong Skipped { get { return skipped; } }

        /// <summary>To be called at every cut or teleport, before the frame that follows it is drawn.</summary>
        public void Cut()
        {
            cut = true;
        }

        private void OnEnable()
        {
            camera = GetComponent<Camera>();
            camera.depthTextureMode |= DepthTextureMode.Depth | DepthTextureMode.MotionVectors;
            commands = new CommandBuffer { name = "RealMaster" };
            RenderPipelineManager.endCameraRendering += AfterPipeline;
            Camera.onPostRender += AfterBuiltIn;
            StartCoroutine(EndOfFrames());
        }

        private void OnDisable()
        {
            RenderPipelineManager.endCameraRendering -= AfterPipeline;
            Camera.onPostRender -= AfterBuiltIn;
            StopAllCoroutines();
            AsyncGPUReadback.WaitAllRequests(); // what is read back must not be released meanwhile
            foreach (Shot shot in shots)
                if (shot != null) shot.Dispose();
            Array.Clear(shots, 0, InFlight);
            if (ring != IntPtr.Zero) Native.rm_close(ring);
            ring = IntPtr.Zero;
            width = height = 0;
        }

        /// <summary>Before anything is drawn: what has come is handed over, and room is made for this frame.</summary>
        private void LateUpdate()
        {
            current = -1;
            number++;
            Resize();
            if (ring == IntPtr.Zero) return;
            PublishWhatIsDone();
            if (Native.rm_wanted(ring) == 0)
            {
                seen = false;
                return;
            }
            int next = (int)(number % InFlight);
            if (shots[next].Busy)
            {
                skipped++;
                return;
            }
            current = next;
            Describe(shots[next]);
        }

        private void Describe(Shot shot)
        {
            shot.Number = number;
            shot.Time = Time.timeAsDouble;
            shot.DeltaTime = Time.deltaTime;
            shot.Flags = cut || !seen ? RmFlags.Reset : 0;
            if (Time.timeScale == 0) shot.Flags |= RmFlags.Paused;
            shot.Drawn = false;
            shot.View = camera.worldToCameraMatrix;
            shot.Projection = camera.nonJitteredProjectionMatrix;
            shot.PreviousView = seen ? previousView : shot.View;
            shot.PreviousProjection = seen ? previousProjection : shot.Projection;
            shot.Near = camera.nearClipPlane;
            shot.Far = camera.farClipPlane;
            previousView = shot.View;
            previousProjection = shot.Projection;
            seen = true;
            cut = false;
        }

        private void AfterPipeline(ScriptableRenderContext context, Camera drawn)
        {
            if (drawn != camera || !Record()) return;
            context.ExecuteCommandBuffer(commands);
            context.Submit();
        }

        private void AfterBuiltIn(Camera drawn)
        {
            if (drawn == camera && Record()) Graphics.ExecuteCommandBuffer(commands);
        }

        /// <summary>The scene is drawn, the interface is not yet: copy its colour, and compute depth and motion.</summary>
        private bool Record()
        {
            if (current < 0 || buffers == null || camera.orthographic) return false;
            Shot shot = shots[current];
            commands.Clear();
            commands.Blit(BuiltinRenderTextureType.CameraTarget, shot.Scene);
            int kernel = buffers.FindKernel("Main");
            commands.SetComputeVectorParam(buffers, ZBuffer, ZBufferParameters(shot.Near, shot.Far));
            commands.SetComputeVectorParam(buffers, Size, new Vector4(width, height, SystemInfo.graphicsUVStartsAtTop ? -1 : 1, 0));
            commands.SetComputeTextureParam(buffers, kernel, DepthIn, new RenderTargetIdentifier(DepthIn));
            commands.SetComputeTextureParam(buffers, kernel, MotionIn, new RenderTargetIdentifier(MotionIn));
            commands.SetComputeTextureParam(buffers, kernel, DepthOut, shot.Depth);
            commands.SetComputeTextureParam(buffers, kernel, MotionOut, shot.Motion);
            commands.DispatchCompute(buffers, kernel, (width + 7) / 8, (height + 7) / 8, 1);
            shot.Drawn = true;
            return true;
        }

        /// <summary>x, y: 1 / distance in metres is x * depth + y. As Unity's own _ZBufferParams.zw.</summary>
        private Vector4 ZBufferParameters(float near, float far)
        {
            float a = 1 / (near * metresPerUnit), b = 1 / (far * metresPerUnit);
            return SystemInfo.usesReversedZBuffer ? new Vector4(a - b, b, 0, 0) : new Vector4(b - a, a, 0, 0);
        }

        private IEnumerator EndOfFrames()
        {
            var end = new WaitForEndOfFrame();
            while (true)
            {
                yield return end;
                if (current < 0) continue;
                ScreenCapture.CaptureScreenshotIntoRenderTexture(shots[current].Color);
                shots[current].Read();
            }
        }

        /// <summary>In the order in which they were drawn.</summary>
        private void PublishWhatIsDone()
        {
            for (int i = 0; i < InFlight; i++)
            {
                Shot shot = shots[(oldest + i) % InFlight];
                if (!shot.Busy) continue;
                if (!shot.Done) return;
                Report(shot.Publish(ring, metresPerUnit));
                oldest = (oldest + i + 1) % InFlight;
                i = -1;
            }
        }

        private void Resize()
        {
            if (Screen.width == width && Screen.height == height) return;
            AsyncGPUReadback.WaitAllRequests();
            width = Screen.width;
            height = Screen.height;
            for (int i = 0; i < InFlight; i++)
            {
                if (shots[i] != null) shots[i].Dispose();
                shots[i] = new Shot(width, height);
            }
            cut = true;
            ulong bytes = Native.rm_frame_bytes((ulong)width * (ulong)height * 14);
            Report(ring == IntPtr.Zero ? Native.rm_open(ringName, bytes, 0, out ring) : Native.rm_reopen(ring, bytes));
        }

        private void Report(int error)
        {
            if (error == 0) return;
            Debug.LogError("RealMaster: " + Native.Error(error));
            enabled = false;
        }
    }
}
