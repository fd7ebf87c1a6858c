// Frames on their way from the GPU. No Unreal in here, so that it can be tested without it.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>

#include "realmaster.h"

namespace RealMaster
{
/** What belongs to a frame besides its pictures. Matrices are Unreal's: for row vectors, looking along +z, in cm. */
struct FFacts
{
    uint64_t Number = 0;
    double Time = 0;
    float DeltaTime = 0, Near = 0;
    uint32_t Width = 0, Height = 0;
    bool Reset = false, Paused = false;
    std::array<float, 16> View{}, Projection{}, PreviousView{}, PreviousProjection{};
};

constexpr int Kinds = 4;
constexpr std::array<rm_kind, Kinds> Kind = {RM_COLOR, RM_SCENE_COLOR, RM_DEPTH, RM_MOTION};
constexpr std::array<rm_encoding, Kinds> Encoding = {RM_RGBA8, RM_RGBA8, RM_INVERSE_Z, RM_PIXELS};
constexpr std::array<int, Kinds> PixelBytes = {4, 4, 2, 4};

/**
 * A pool of frames in flight, each with a readback for every kind of picture. `T` is a readback: it has Ready(), and
 * Lock(row pitch in pixels) and Unlock() around looking at it. A frame is published when all that it began are ready,
 * in the order in which frames were drawn; nobody waits.
 */
template <typename T, int Size = 4>
class TShots
{
public:
    struct FShot
    {
        FFacts Facts;
        std::array<T, Kinds> Readback{};
        std::array<bool, Kinds> Begun{};
        bool Used = false;
    };

    /** A place for the next frame; null, and counted, if all are in use. */
    FShot* Take(const FFacts& Facts)
    {
        FShot& Shot = All[Next % Size];
        if (Shot.Used)
        {
            ++Skipped;
            return nullptr;
        }
        ++Next;
        Shot.Facts = Facts;
        Shot.Begun.fill(false);
        Shot.Used = true;
        return &Shot;
    }

    /** Publishes what is ready. Returns 0 or a code for rm_error. */
    int Publish(rm_ring* Ring)
    {
        for (; Oldest < Next; ++Oldest)
        {
            FShot& Shot = All[Oldest % Size];
            if (!IsReady(Shot)) return 0;
            Shot.Used = false;
            if (!Shot.Begun[0]) continue; // a window that showed nothing
            const int Error = Put(Ring, Shot);
            if (Error) return Error;
        }
        return 0;
    }

    uint64_t Skipped = 0;

private:
    static bool IsReady(FShot& Shot)
    {
        for (int i = 0; i < Kinds; ++i)
            if (Shot.Begun[i] && !Shot.Readback[i].Ready()) return false;
        return true;
    }

    static int Put(rm_ring* Ring, FShot& Shot)
    {
        rm_frame* Frame = rm_begin(Ring);
        Fill(*Frame, Shot);
        for (int i = 0; i < Kinds; ++i)
        {
            if (!Shot.Begun[i]) continue;
            int32_t Pitch = 0;
            const void* Pixels = Shot.Readback[i].Lock(Pitch);
            const int Error = Pixels == nullptr ? 0 : rm_put(Ring, Kind[i], Encoding[i], Shot.Facts.Width, Shot.Facts.Height,
                                                             Pixels, static_cast<int64_t>(Pitch) * PixelBytes[i]);
            Shot.Readback[i].Unlock();
            if (Error) return Error;
        }
        return rm_publish(Ring);
    }

    static void Fill(rm_frame& Frame, const FShot& Shot)
    {
        constexpr float MetresPerUnit = 0.01f;
        const FFacts& Facts = Shot.Facts;
        Frame.frame_id = Facts.Number;
        Frame.t_game = Facts.Time;
        Frame.dt = Facts.DeltaTime;
        Frame.flags = (Facts.Reset ? RM_RESET : 0) | (Facts.Paused ? RM_PAUSED : 0) | (Shot.Begun[1] ? 0 : RM_HUD_IN_COLOR);
        Frame.near_m = Facts.Near * MetresPerUnit;
        Frame.far_m = __builtin_inff();
        Frame.metres_per_unit = MetresPerUnit;
        Frame.camera_source = RM_ENGINE_CAMERA;
        View(Frame.view, Facts.View);
        View(Frame.previous_view, Facts.PreviousView);
        Projection(Frame.projection, Facts.Projection);
        Projection(Frame.previous_projection, Facts.PreviousProjection);
    }

    /** Row vectors in rows lie in memory as column vectors in columns do. What is left is to look along -z. */
    static void View(float* Out, const std::array<float, 16>& In)
    {
        std::memcpy(Out, In.data(), sizeof In);
        for (int i = 2; i < 16; i += 4) Out[i] = -Out[i];
    }

    static void Projection(float* Out, const std::array<float, 16>& In)
    {
        std::memcpy(Out, In.data(), sizeof In);
        for (int i = 8; i < 12; ++i) Out[i] = -Out[i];
    }

    std::array<FShot, Size> All{};
    uint64_t Next = 0, Oldest = 0;
};
}
