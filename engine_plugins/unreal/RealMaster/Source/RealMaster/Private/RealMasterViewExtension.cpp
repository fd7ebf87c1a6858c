#include "RealMasterViewExtension.h"

#include "Framework/Application/SlateApplication.h"
#include "GlobalShader.h"
#include "PostProcess/PostProcessInputs.h"
#include "PostProcess/PostProcessMaterialInputs.h"
#include "RenderGraphUtils.h"
#include "SceneTextures.h"
#include "ShaderParameterStruct.h"

DEFINE_LOG_CATEGORY_STATIC(LogRealMaster, Log, All);

class FRealMasterBuffersCS final : public FGlobalShader
{
public:
    DECLARE_GLOBAL_SHADER(FRealMasterBuffersCS);
    SHADER_USE_PARAMETER_STRUCT(FRealMasterBuffersCS, FGlobalShader);
    BEGIN_SHADER_PARAMETER_STRUCT(FParameters, )
        SHADER_PARAMETER_RDG_TEXTURE(Texture2D, SceneDepth)
        SHADER_PARAMETER_RDG_TEXTURE(Texture2D, SceneVelocity)
        SHADER_PARAMETER_RDG_TEXTURE_UAV(RWTexture2D, OutDepth)
        SHADER_PARAMETER_RDG_TEXTURE_UAV(RWTexture2D, OutMotion)
        SHADER_PARAMETER(FMatrix44f, ClipToPreviousClip)
        SHADER_PARAMETER(FVector4f, Facts)
        SHADER_PARAMETER(FVector2f, Origin)
    END_SHADER_PARAMETER_STRUCT()
};
IMPLEMENT_GLOBAL_SHADER(FRealMasterBuffersCS, "/Plugin/RealMaster/Private/RealMasterBuffers.usf", "Main", SF_Compute);

namespace
{
std::array<float, 16> Numbers(const FMatrix& Matrix)
{
    std::array<float, 16> Out;
    for (int Row = 0; Row < 4; ++Row)
        for (int Column = 0; Column < 4; ++Column) Out[4 * Row + Column] = static_cast<float>(Matrix.M[Row][Column]);
    return Out;
}
}

FRealMasterViewExtension::FRealMasterViewExtension(const FAutoRegister& Register, const FString& RingName)
    : FSceneViewExtensionBase(Register), Ring(RingName)
{
    Presenting = FSlateApplication::Get().GetRenderer()->OnBackBufferReadyToPresent().AddRaw(
        this, &FRealMasterViewExtension::BackBufferReady);
}

FRealMasterViewExtension::~FRealMasterViewExtension()
{
    FSlateApplication::Get().GetRenderer()->OnBackBufferReadyToPresent().Remove(Presenting);
    FlushRenderingCommands(); // nothing may still write into what goes away now
    rm_close(Writer);
}

bool FRealMasterViewExtension::Open(uint32 Width, uint32 Height)
{
    if (bFailed || (Writer != nullptr && Width == OpenWidth && Height == OpenHeight)) return !bFailed;
    const uint64_t Bytes = rm_frame_bytes(static_cast<uint64_t>(Width) * Height * 14);
    const int Code = Writer == nullptr ? rm_open(TCHAR_TO_UTF8(*Ring), Bytes, 0, &Writer) : rm_reopen(Writer, Bytes);
    if (Code)
    {
        UE_LOG(LogRealMaster, Error, TEXT("%s"), UTF8_TO_TCHAR(rm_error(Code)));
        bFailed = true;
    }
    OpenWidth = Width, OpenHeight = Height, bCut = true;
    return !bFailed;
}

/** Takes a place for this frame, if somebody wants it. */
bool FRealMasterViewExtension::Describe(const FSceneView& View)
{
    const FIntRect Rect = View.UnscaledViewRect;
    if (!View.IsPerspectiveProjection() || !Open(Rect.Width(), Rect.Height())) return false;
    if (const int Code = Shots.Publish(Writer)) UE_LOG(LogRealMaster, Error, TEXT("%s"), UTF8_TO_TCHAR(rm_error(Code)));
    if (!rm_wanted(Writer))
    {
        bSeen = false;
        return false;
    }
    RealMaster::FFacts Facts;
    Facts.Number = View.Family->FrameNumber;
    Facts.Time = View.Family->Time.GetWorldTimeSeconds();
    Facts.DeltaTime = View.Family->Time.GetDeltaWorldTimeSeconds();
    Facts.Paused = View.Family->bWorldIsPaused;
    Facts.Near = View.NearClippingDistance;
    Facts.Width = Rect.Width(), Facts.Height = Rect.Height();
    Facts.Reset = bCut.Exchange(false) || View.bCameraCut || !bSeen;
    Facts.View = Numbers(View.ViewMatrices.GetViewMatrix());
    Facts.Projection = Numbers(View.ViewMatrices.ComputeProjectionNoAAMatrix());
    Facts.PreviousView = bSeen ? Last.View : Facts.View;
    Facts.PreviousProjection = bSeen ? Last.Projection : Facts.Projection;
    Last = Facts;
    bSeen = true;
    Current = Shots.Take(Facts);
    return Current != nullptr;
}

void FRealMasterViewExtension::PrePostProcessPass_RenderThread(FRDGBuilder& Graph, const FSceneView& View,
                                                               const FPostProcessingInputs& Inputs)
{
    Current = nullptr;
    if (!Describe(View)) return;
    const RealMaster::FFacts& Facts = Current->Facts;
    const FIntPoint Size(Facts.Width, Facts.Height);
    const auto Texture = [&](EPixelFormat Format, const TCHAR* Name) {
        return Graph.CreateTexture(FRDGTextureDesc::Create2D(Size, Format, FClearValueBinding::None,
                                                             TexCreate_UAV | TexCreate_ShaderResource), Name);
    };
    FRDGTextureRef Depth = Texture(PF_R16F, TEXT("RealMaster.Depth")), Motion = Texture(PF_G16R16F, TEXT("RealMaster.Motion"));
    auto* Parameters = Graph.AllocParameters<FRealMasterBuffersCS::FParameters>();
    Parameters->SceneDepth = Inputs.SceneTextures->GetParameters()->SceneDepthTexture;
    Parameters->SceneVelocity = Inputs.SceneTextures->GetParameters()->GBufferVelocityTexture;
    Parameters->OutDepth = Graph.CreateUAV(Depth);
    Parameters->OutMotion = Graph.CreateUAV(Motion);
    const FMatrix ViewProjection = View.ViewMatrices.GetViewMatrix() * View.ViewMatrices.ComputeProjectionNoAAMatrix();
    FMatrix Previous;
    for (int i = 0; i < 16; ++i) Previous.M[i / 4][i % 4] = 0;
    for (int Row = 0; Row < 4; ++Row)
        for (int Column = 0; Column < 4; ++Column)
            for (int k = 0; k < 4; ++k)
                Previous.M[Row][Column] += Facts.PreviousView[4 * Row + k] * Facts.PreviousProjection[4 * k + Column];
    Parameters->ClipToPreviousClip = FMatrix44f(ViewProjection.Inverse() * Previous);
    Parameters->Facts = FVector4f(Facts.Width, Facts.Height, Facts.Near * 0.01f, 0);
    Parameters->Origin = FVector2f(View.UnscaledViewRect.Min.X, View.UnscaledViewRect.Min.Y);
    TShaderMapRef<FRealMasterBuffersCS> Shader(GetGlobalShaderMap(View.GetFeatureLevel()));
    FComputeShaderUtils::AddPass(Graph, RDG_EVENT_NAME("RealMaster"), Shader, Parameters,
                                 FComputeShaderUtils::GetGroupCount(Size, 8));
    AddEnqueueCopyPass(Graph, Current->Readback[2].Readback.Get(), Depth);
    AddEnqueueCopyPass(Graph, Current->Readback[3].Readback.Get(), Motion);
    Current->Begun[2] = Current->Begun[3] = true;
}

void FRealMasterViewExtension::SubscribeToPostProcessingPass(EPostProcessingPass Pass, const FSceneView&,
                                                             FAfterPassCallbackDelegateArray& Callbacks, bool bIsPassEnabled)
{
    if (Pass == EPostProcessingPass::Tonemap && bIsPassEnabled)
        Callbacks.Add(FAfterPassCallbackDelegate::CreateRaw(this, &FRealMasterViewExtension::AfterTonemap));
}

/** The scene as it will be seen, before the interface. Passed on untouched. */
FScreenPassTexture FRealMasterViewExtension::AfterTonemap(FRDGBuilder& Graph, const FSceneView&,
                                                          const FPostProcessMaterialInputs& Inputs)
{
    const FScreenPassTexture Color = Inputs.ReturnUntouchedSceneColorForPostProcessing(Graph);
    const bool bWhole = Current != nullptr && Color.ViewRect.Width() == static_cast<int32>(Current->Facts.Width) &&
                        Color.ViewRect.Height() == static_cast<int32>(Current->Facts.Height);
    if (bWhole && Color.Texture->Desc.Format == PF_R8G8B8A8)
    {
        AddEnqueueCopyPass(Graph, Current->Readback[1].Readback.Get(), Color.Texture);
        Current->Begun[1] = true;
    }
    return Color;
}

/** The window with everything in it. Only a back buffer of the scene's own size and of 8-bit RGBA is taken. */
void FRealMasterViewExtension::BackBufferReady(SWindow&, const FTextureRHIRef& BackBuffer)
{
    const FIntPoint Size = BackBuffer->GetDesc().Extent;
    if (Current == nullptr || Size.X != static_cast<int32>(Current->Facts.Width) ||
        Size.Y != static_cast<int32>(Current->Facts.Height) || BackBuffer->GetFormat() != PF_R8G8B8A8) return;
    Current->Readback[0].Readback->EnqueueCopy(FRHICommandListExecutor::GetImmediateCommandList(), BackBuffer);
    Current->Begun[0] = true;
    Current = nullptr;
}
