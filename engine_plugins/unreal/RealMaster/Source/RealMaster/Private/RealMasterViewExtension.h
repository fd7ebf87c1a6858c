#pragma once

#include "CoreMinimal.h"
#include "RHIGPUReadback.h"
#include "SceneViewExtension.h"
#include "Shots.h"

/** A texture's readback, as Shots.h wants it. */
struct FRealMasterReadback
{
    TUniquePtr<FRHIGPUTextureReadback> Readback = MakeUnique<FRHIGPUTextureReadback>(TEXT("RealMaster"));

    bool Ready() { return Readback->IsReady(); }
    const void* Lock(int32_t& PitchInPixels) { return Readback->Lock(PitchInPixels); }
    void Unlock() { Readback->Unlock(); }
};

/**
 * Takes a game's frames out of the renderer: scene colour after tone mapping, depth and velocity when the scene is drawn,
 * the window's colour when it is shown. Everything but Cut runs on the render thread.
 */
class FRealMasterViewExtension final : public FSceneViewExtensionBase
{
public:
    FRealMasterViewExtension(const FAutoRegister& Register, const FString& RingName);
    virtual ~FRealMasterViewExtension() override;

    /** The next frame follows nothing. */
    void Cut() { bCut = true; }

    virtual void SetupViewFamily(FSceneViewFamily&) override {}
    virtual void SetupView(FSceneViewFamily&, FSceneView&) override {}
    virtual void BeginRenderViewFamily(FSceneViewFamily&) override {}
    virtual void PrePostProcessPass_RenderThread(FRDGBuilder& Graph, const FSceneView& View,
                                                 const FPostProcessingInputs& Inputs) override;
    virtual void SubscribeToPostProcessingPass(EPostProcessingPass Pass, const FSceneView& View,
                                               FAfterPassCallbackDelegateArray& Callbacks, bool bIsPassEnabled) override;

private:
    using FShots = RealMaster::TShots<FRealMasterReadback>;

    FScreenPassTexture AfterTonemap(FRDGBuilder& Graph, const FSceneView& View, const FPostProcessMaterialInputs& Inputs);
    void BackBufferReady(SWindow& Window, const FTextureRHIRef& BackBuffer);
    bool Open(uint32 Width, uint32 Height);
    bool Describe(const FSceneView& View);

    FString Ring;
    rm_ring* Writer = nullptr;
    uint32 OpenWidth = 0, OpenHeight = 0;
    FShots Shots;
    FShots::FShot* Current = nullptr;
    RealMaster::FFacts Last;
    bool bSeen = false, bFailed = false;
    TAtomic<bool> bCut{true};
    FDelegateHandle Presenting;
};
