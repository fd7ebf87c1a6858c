// A player's loop around the capture component: `program layout`, or `program RING FRAMES PIPELINE DELAY TOP`.
using System;
using System.Collections;
using System.Reflection;
using System.Runtime.InteropServices;
using RealMaster;
using UnityEngine;
using UnityEngine.Rendering;

public static class Program
{
    private const int Width = 40, Height = 24;

    public static int Main(string[] words)
    {
        if (words[0] == "layout")
        {
            Layout(typeof(RmFrame));
            Layout(typeof(RmBuffer));
            return 0;
        }
        SystemInfo.graphicsUVStartsAtTop = SystemInfo.usesReversedZBuffer = words[4] == "top";
        AsyncGPUReadback.Delay = int.Parse(words[3]);
        Play(words[0], int.Parse(words[1]), words[2]);
        return 0;
    }

    private static void Layout(Type type)
    {
        Console.WriteLine(type.Name + " " + Marshal.SizeOf(type));
        foreach (FieldInfo field in type.GetFields())
            Console.WriteLine(type.Name + "." + field.Name + " " + Marshal.OffsetOf(type, field.Name));
    }

    private static void Play(string ring, int frames, string pipeline)
    {
        var thing = new GameObject();
        Camera camera = thing.AddComponent<Camera>();
        RealMasterCapture capture = thing.AddComponent<RealMasterCapture>();
        capture.ringName = ring;
        capture.metresPerUnit = 2;
        capture.buffers = new ComputeShader();
        Screen.width = Width;
        Screen.height = Height;
        Call(capture, "OnEnable");
        for (int n = 1; n <= frames && capture.enabled; n++)
        {
            Frame(n, camera, capture, pipeline);
            Console.ReadLine(); // the test reads in step
        }
        Console.WriteLine(capture.Skipped);
        Call(capture, "OnDisable");
    }

    private static void Frame(int n, Camera camera, RealMasterCapture capture, string pipeline)
    {
        AsyncGPUReadback.Frame = n;
        Time.timeAsDouble = n / 8.0;
        Time.deltaTime = 0.125f;
        Matrix4x4 view = new Matrix4x4(), projection = new Matrix4x4();
        for (int i = 0; i < 16; i++)
        {
            float unit = i % 5 == 0 ? 1 : 0; // that can be inverted, and tells every place from every other
            view[i] = i % 4 == 3 ? unit : unit + i / 64f + (i >= 12 ? 100 * n : 0);
            projection[i] = unit - i / 64f;
        }
        camera.worldToCameraMatrix = view;
        camera.nonJitteredProjectionMatrix = projection;
        if (n == 12) capture.Cut();
        Call(capture, "LateUpdate");
        bool top = SystemInfo.graphicsUVStartsAtTop;
        CommandBuffer.CameraTarget = () => Picture(n, 0, top);
        CommandBuffer.RawDepth = i => Row(i, top) / (float)Height;
        CommandBuffer.RawMotion = (i, axis) => axis == 0 ? 0.25f : 0.125f;
        ScreenCapture.Picture = () => Picture(n, 200, false);
        if (pipeline == "builtin") Camera.onPostRender(camera);
        else RenderPipelineManager.End(camera);
        foreach (IEnumerator routine in capture.Running) routine.MoveNext();
    }

    /// <summary>Row from the top, of a pixel in a texture.</summary>
    private static int Row(int i, bool top)
    {
        return top ? i / Width : Height - 1 - i / Width;
    }

    private static byte[] Picture(int n, int blue, bool top)
    {
        var pixels = new byte[Width * Height * 4];
        for (int i = 0; i < Width * Height; i++)
        {
            pixels[4 * i] = (byte)(i % Width);
            pixels[4 * i + 1] = (byte)Row(i, top);
            pixels[4 * i + 2] = (byte)blue;
            pixels[4 * i + 3] = (byte)n;
        }
        return pixels;
    }

    private static void Call(object on, string name)
    {
        on.GetType().GetMethod(name, BindingFlags.Instance | BindingFlags.NonPublic).Invoke(on, null);
    }
}
