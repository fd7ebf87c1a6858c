// Runs Shots.h into a real ring: `shots RING FRAMES DELAY`, a frame for each line of input.
#include "Shots.h"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

namespace
{
constexpr uint32_t Width = 40, Height = 24, Padding = 8; // GPUs pad rows
uint64_t Now = 0, Delay = 0;

struct FReadback
{
    std::vector<uint8_t> Pixels;
    uint64_t Due = 0;
    bool Ready() const { return Now >= Due; }
    const void* Lock(int32_t& Pitch)
    {
        Pitch = Width + Padding;
        return Pixels.data();
    }
    void Unlock() {}
};

std::vector<uint8_t> Picture(uint64_t Number, int Kind)
{
    std::vector<uint8_t> Out((Width + Padding) * Height * RealMaster::PixelBytes[Kind], 0xEE);
    for (uint32_t y = 0; y < Height; ++y)
        for (uint32_t x = 0; x < Width * RealMaster::PixelBytes[Kind]; ++x)
            Out[y * (Width + Padding) * RealMaster::PixelBytes[Kind] + x] = static_cast<uint8_t>(Number + 3 * Kind + y);
    return Out;
}
}

int main(int, char** Words)
{
    rm_ring* Ring = nullptr;
    int Error = rm_open(Words[1], rm_frame_bytes(Width * Height * 14), 0, &Ring);
    RealMaster::TShots<FReadback> Shots;
    const uint64_t Frames = std::strtoull(Words[2], nullptr, 10);
    Delay = std::strtoull(Words[3], nullptr, 10);
    for (Now = 1; !Error && Now <= Frames; ++Now)
    {
        Error = Shots.Publish(Ring);
        RealMaster::FFacts Facts;
        Facts.Number = Now, Facts.Time = Now / 8.0, Facts.DeltaTime = 0.125f, Facts.Near = 10;
        Facts.Width = Width, Facts.Height = Height, Facts.Reset = Now == 1;
        for (int i = 0; i < 16; ++i)
        {
            const float Unit = i % 5 == 0 ? 1 : 0; // that can be inverted, and tells every place from every other
            Facts.View[i] = i % 4 == 3 ? Unit : Unit + i / 64.f + (i >= 12 ? 100 * Now : 0);
            Facts.Projection[i] = Unit - i / 64.f;
        }
        Facts.PreviousView = Facts.View, Facts.PreviousProjection = Facts.Projection;
        auto* Shot = rm_wanted(Ring) ? Shots.Take(Facts) : nullptr;
        for (int k = 0; Shot && k < RealMaster::Kinds; ++k)
        {
            Shot->Readback[k].Pixels = Picture(Now, k);
            Shot->Readback[k].Due = Now + Delay + (k == 1); // not all at once
            Shot->Begun[k] = true;
        }
        std::string Line;
        for (int c = std::getchar(); c != '\n' && c != EOF; c = std::getchar()) {}
    }
    std::printf("%llu\n", static_cast<unsigned long long>(Shots.Skipped));
    if (Error) std::fprintf(stderr, "%s\n", rm_error(Error));
    rm_close(Ring);
    return Error != 0;
}
