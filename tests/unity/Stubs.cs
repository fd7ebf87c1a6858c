// As much of UnityEngine as the capture package calls, for running it without Unity: textures are arrays in memory, a
// readback is done two frames after it was asked for, and the compute shader's arithmetic is done here once more.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using UnityEngine.Rendering;

namespace Unity.Collections
{
    public struct NativeArray<T> where T : struct
    {
        internal IntPtr at;
        public int Length { get; internal set; }
    }
}

namespace Unity.Collections.LowLevel.Unsafe
{
    public static class NativeArrayUnsafeUtility
    {
        public static unsafe void* GetUnsafeReadOnlyPtr<T>(NativeArray<T> array) where T : struct { return (void*)array.at; }
    }
}

namespace UnityEngine
{
    [AttributeUsage(AttributeTargets.Class)] public sealed class RequireComponent : Attribute { public RequireComponent(Type type) { } }
    [AttributeUsage(AttributeTargets.Class)] public sealed class AddComponentMenu : Attribute { public AddComponentMenu(string name) { } }
    [AttributeUsage(AttributeTargets.Field)] public sealed class TooltipAttribute : Attribute { public TooltipAttribute(string text) { } }

    public struct Vector3
    {
        public float x, y, z;
        public Vector3(float x, float y, float z) { this.x = x; this.y = y; this.z = z; }
        public static Vector3 up { get { return new Vector3(0, 1, 0); } }
    }

    public struct Vector4
    {
        public float x, y, z, w;
        public Vector4(float x, float y, float z, float w) { this.x = x; this.y = y; this.z = z; this.w = w; }
    }

    public struct Quaternion
    {
        public static Quaternion Euler(float x, float y, float z) { return new Quaternion(); }
        public static Vector3 operator *(Quaternion q, Vector3 v) { return v; }
    }

    public struct Matrix4x4
    {
        private float[] m;
        public float this[int i]
        {
            get { return m == null ? 0 : m[i]; }
            set { if (m == null) m = new float[16]; m[i] = value; }
        }
    }

    public class Object { }

    public class Component : Object
    {
        public GameObject gameObject { get; internal set; }
        public Transform transform { get { return gameObject.transform; } }
        public Component camera { get { return null; } } // obsolete in Unity, and in the way of the name
        public T GetComponent<T>() where T : Component { return gameObject.GetComponent<T>(); }
    }

    public class Behaviour : Component { public bool enabled = true; }

    public class MonoBehaviour : Behaviour
    {
        public readonly List<IEnumerator> Running = new List<IEnumerator>();
        public void StartCoroutine(IEnumerator routine) { Running.Add(routine); routine.MoveNext(); }
        public void StopAllCoroutines() { Running.Clear(); }
    }

    public sealed class Transform : Component
    {
        public Vector3 position, localScale;
        public void LookAt(Vector3 at) { }
    }

    public enum PrimitiveType { Plane, Cylinder }

    public sealed class GameObject : Object
    {
        private readonly List<Component> components = new List<Component>();
        public Transform transform { get { return GetComponent<Transform>(); } }
        public GameObject() { AddComponent<Transform>(); }
        public T AddComponent<T>() where T : Component, new()
        {
            var made = new T { gameObject = this };
            components.Add(made);
            return made;
        }
        public T GetComponent<T>() where T : Component { return components.Find(c => c is T) as T; }
        public void SetActive(bool on) { }
        public static GameObject CreatePrimitive(PrimitiveType type) { return new GameObject(); }
    }

    [Flags] public enum DepthTextureMode { Depth = 1, MotionVectors = 4 }

    public sealed class Camera : Behaviour
    {
        public delegate void CameraCallback(Camera camera);
        public static CameraCallback onPostRender;
        public static Camera main;
        public DepthTextureMode depthTextureMode;
        public Matrix4x4 worldToCameraMatrix, nonJitteredProjectionMatrix;
        public float nearClipPlane = 0.5f, farClipPlane = 100;
        public bool orthographic;
    }

    public static class Time { public static double timeAsDouble; public static float deltaTime, time, timeScale = 1; }
    public static class Screen { public static int width, height; }
    public static class Debug { public static void LogError(string text) { Console.Error.WriteLine(text); } }

    public static class SystemInfo
    {
        public static bool graphicsUVStartsAtTop, usesReversedZBuffer;
    }

    public static class Shader
    {
        private static readonly List<string> names = new List<string>();
        public static int PropertyToID(string name)
        {
            if (!names.Contains(name)) names.Add(name);
            return names.IndexOf(name);
        }
    }

    public sealed class ComputeShader : Object { public int FindKernel(string name) { return 0; } }
    public enum RenderTextureFormat { ARGB32, RHalf, RGHalf }
    public enum TextureFormat { RGBA32, RHalf, RGHalf }

    public sealed class RenderTexture : Object
    {
        public readonly int width, height;
        public bool enableRandomWrite;
        public byte[] Content;
        public RenderTexture(int width, int height, int depth, RenderTextureFormat format)
        {
            this.width = width; this.height = height;
            Content = new byte[width * height * (format == RenderTextureFormat.RHalf ? 2 : 4)];
        }
        public bool Create() { return true; }
        public void Release() { Content = null; }
    }

    public sealed class WaitForEndOfFrame { }

    public static class ScreenCapture
    {
        public static Func<byte[]> Picture;
        public static void CaptureScreenshotIntoRenderTexture(RenderTexture to) { to.Content = Picture(); }
    }

    public static class Graphics { public static void ExecuteCommandBuffer(CommandBuffer commands) { commands.Run(); } }
}

namespace UnityEngine.Rendering
{
    public enum BuiltinRenderTextureType { CameraTarget }

    public struct RenderTargetIdentifier
    {
        internal RenderTexture Texture;
        internal bool IsCamera;
        public RenderTargetIdentifier(int name) { Texture = null; IsCamera = false; }
        public static implicit operator RenderTargetIdentifier(RenderTexture texture) { return new RenderTargetIdentifier { Texture = texture }; }
        public static implicit operator RenderTargetIdentifier(BuiltinRenderTextureType type) { return new RenderTargetIdentifier { IsCamera = true }; }
    }

    public sealed class CommandBuffer
    {
        public static Func<byte[]> CameraTarget;
        public static Func<int, float> RawDepth;               // by pixel
        public static Func<int, int, float> RawMotion;         // by pixel and axis
        public string name;
        private readonly List<Action> actions = new List<Action>();
        private readonly Dictionary<int, Vector4> vectors = new Dictionary<int, Vector4>();
        private readonly Dictionary<int, RenderTexture> textures = new Dictionary<int, RenderTexture>();
        public void Clear() { actions.Clear(); }
        public void Blit(RenderTargetIdentifier from, RenderTargetIdentifier to) { actions.Add(() => to.Texture.Content = CameraTarget()); }
        public void SetComputeVectorParam(ComputeShader shader, int name, Vector4 value) { vectors[name] = value; }
        public void SetComputeTextureParam(ComputeShader shader, int kernel, int name, RenderTargetIdentifier to) { textures[name] = to.Texture; }

        public void DispatchCompute(ComputeShader shader, int kernel, int x, int y, int z)
        {
            Vector4 zbuffer = vectors[Shader.PropertyToID("RmZBuffer")], size = vectors[Shader.PropertyToID("RmSize")];
            RenderTexture depth = textures[Shader.PropertyToID("RmDepth")], motion = textures[Shader.PropertyToID("RmMotion")];
            actions.Add(() =>
            {
                for (int i = 0; i < (int)size.x * (int)size.y; i++)
                {
                    Store(depth.Content, i, zbuffer.x * RawDepth(i) + zbuffer.y);
                    Store(motion.Content, 2 * i, -RawMotion(i, 0) * size.x);
                    Store(motion.Content, 2 * i + 1, RawMotion(i, 1) * size.y * size.z);
                }
            });
        }

        internal void Run() { foreach (Action action in actions) action(); }

        /// <summary>A half, rounded towards zero, of a number that is 0 or no smaller than a half can be.</summary>
        private static void Store(byte[] to, int at, float value)
        {
            int bits = BitConverter.ToInt32(BitConverter.GetBytes(value), 0);
            int half = value == 0 ? 0 : (bits >> 16 & 0x8000) | (((bits >> 23 & 0xFF) - 112) << 10) | (bits >> 13 & 0x3FF);
            to[2 * at] = (byte)half;
            to[2 * at + 1] = (byte)(half >> 8);
        }
    }

    public struct ScriptableRenderContext
    {
        public void ExecuteCommandBuffer(CommandBuffer commands) { commands.Run(); }
        public void Submit() { }
    }

    public static class RenderPipelineManager
    {
        public static event Action<ScriptableRenderContext, Camera> endCameraRendering;
        public static void End(Camera camera)
        {
            if (endCameraRendering != null) endCameraRendering(new ScriptableRenderContext(), camera);
        }
    }

    public struct AsyncGPUReadbackRequest
    {
        internal int Due;
        internal byte[] Content;
        internal bool Failed;
        public bool done { get { return AsyncGPUReadback.Frame >= Due; } }
        public bool hasError { get { return Failed; } }
        public unsafe Unity.Collections.NativeArray<T> GetData<T>() where T : struct
        {
            IntPtr copy = Marshal.AllocHGlobal(Content.Length);
            Marshal.Copy(Content, 0, copy, Content.Length);
            return new Unity.Collections.NativeArray<T> { at = copy, Length = Content.Length };
        }
    }

    public static class AsyncGPUReadback
    {
        public static int Frame, Delay = 2, FailAt = -1;
        public static AsyncGPUReadbackRequest Request(RenderTexture from, int mip, TextureFormat format)
        {
            return new AsyncGPUReadbackRequest { Due = Frame + Delay, Content = (byte[])from.Content.Clone(), Failed = Frame == FailAt };
        }
        public static void WaitAllRequests() { }
    }
}
