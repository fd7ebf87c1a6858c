// Declarations of as much of Unreal Engine 5.4 as the plugin uses, to check its syntax and types without the engine.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

using int32 = std::int32_t;
using uint32 = std::uint32_t;
using uint64 = std::uint64_t;
using TCHAR = char16_t;
#define TEXT(x) u##x
const char* TCHAR_TO_UTF8(const TCHAR*);
const TCHAR* UTF8_TO_TCHAR(const char*);
enum ELogVerbosity { Error, Warning, Log };
struct FLogCategory {};
void StubLog(FLogCategory, ELogVerbosity, const TCHAR*, ...);
enum { All };
#define DEFINE_LOG_CATEGORY_STATIC(Name, Default, Compile) static FLogCategory Name
#define UE_LOG(Category, Verbosity, ...) StubLog(Category, Verbosity, __VA_ARGS__)

struct FString
{
    FString();
    FString(const TCHAR*);
    const TCHAR* operator*() const;
};

template <typename T> struct TArray
{
    int32 Num() const;
    const T& operator[](int32) const;
    void Add(const T&);
};

template <typename T> struct TAtomic
{
    TAtomic(T);
    T operator=(T);
    T Exchange(T);
};

template <typename T> struct TUniquePtr
{
    T* operator->() const;
    T* Get() const;
    template <typename U> TUniquePtr(U&&);
    TUniquePtr();
};
template <typename T, typename... A> TUniquePtr<T> MakeUnique(A&&...);

enum class ESPMode { ThreadSafe };
template <typename T, ESPMode = ESPMode::ThreadSafe> struct TSharedPtr
{
    T* operator->() const;
    void Reset();
    bool IsValid() const;
};

struct FIntPoint { FIntPoint(int32, int32); int32 X, Y; };
struct FIntRect { FIntPoint Min, Max; int32 Width() const; int32 Height() const; };
struct FIntVector {};
struct FMatrix { double M[4][4]; FMatrix Inverse() const; FMatrix operator*(const FMatrix&) const; };
struct FMatrix44f { FMatrix44f(); explicit FMatrix44f(const FMatrix&); };
struct FVector4f { FVector4f(); FVector4f(double, double, double, double); };
struct FVector2f { FVector2f(); FVector2f(double, double); };
struct FDelegateHandle {};

enum EPixelFormat { PF_R16F, PF_G16R16F, PF_R8G8B8A8 };
enum ETextureCreateFlags { TexCreate_UAV = 1, TexCreate_ShaderResource = 2 };
constexpr ETextureCreateFlags operator|(ETextureCreateFlags A, ETextureCreateFlags B) { return ETextureCreateFlags(int(A) | int(B)); }
struct FClearValueBinding { static const FClearValueBinding None; };
struct FRHITextureDesc { FIntPoint Extent; };
struct FRHITexture { const FRHITextureDesc& GetDesc() const; EPixelFormat GetFormat() const; };
using FTextureRHIRef = FRHITexture*;
struct FRHICommandListImmediate {};
struct FRHICommandListExecutor { static FRHICommandListImmediate& GetImmediateCommandList(); };
struct FRHIGPUTextureReadback
{
    explicit FRHIGPUTextureReadback(const TCHAR*);
    bool IsReady();
    void* Lock(int32& OutRowPitchInPixels, int32* OutBufferHeight = nullptr);
    void Unlock();
    void EnqueueCopy(FRHICommandListImmediate&, FRHITexture*);
};
void FlushRenderingCommands();

struct FRDGTextureDesc
{
    EPixelFormat Format;
    static FRDGTextureDesc Create2D(FIntPoint, EPixelFormat, const FClearValueBinding&, ETextureCreateFlags);
};
struct FRDGTexture { FRDGTextureDesc Desc; };
using FRDGTextureRef = FRDGTexture*;
struct FRDGTextureUAV {};
using FRDGTextureUAVRef = FRDGTextureUAV*;
struct FRDGBuilder
{
    FRDGTextureRef CreateTexture(const FRDGTextureDesc&, const TCHAR*);
    FRDGTextureUAVRef CreateUAV(FRDGTextureRef);
    template <typename T> T* AllocParameters();
};
void AddEnqueueCopyPass(FRDGBuilder&, FRHIGPUTextureReadback*, FRDGTextureRef);

enum EStubFrequency { SF_Compute };
enum class EStubFeatureLevel { SM5 };
struct FGlobalShader {};
struct FGlobalShaderMap {};
FGlobalShaderMap* GetGlobalShaderMap(EStubFeatureLevel);
template <typename T> struct TShaderMapRef { explicit TShaderMapRef(FGlobalShaderMap*); };
struct FRDGEventName {};
#define RDG_EVENT_NAME(...) FRDGEventName()
struct FComputeShaderUtils
{
    static FIntVector GetGroupCount(FIntPoint, int32);
    template <typename S> static void AddPass(FRDGBuilder&, FRDGEventName&&, TShaderMapRef<S>&, typename S::FParameters*, FIntVector);
};
#define DECLARE_GLOBAL_SHADER(Type) using FStubSelf = Type
#define SHADER_USE_PARAMETER_STRUCT(Type, Base) static_assert(sizeof(Base) > 0)
#define IMPLEMENT_GLOBAL_SHADER(Type, File, Function, Frequency) static_assert(Frequency == SF_Compute)
#define BEGIN_SHADER_PARAMETER_STRUCT(Name, Api) struct Name {
#define SHADER_PARAMETER_RDG_TEXTURE(Kind, Name) FRDGTextureRef Name;
#define SHADER_PARAMETER_RDG_TEXTURE_UAV(Kind, Name) FRDGTextureUAVRef Name;
#define SHADER_PARAMETER(Kind, Name) Kind Name;
#define END_SHADER_PARAMETER_STRUCT() };

struct FGameTime { float GetWorldTimeSeconds() const; float GetDeltaWorldTimeSeconds() const; };
struct FSceneViewFamily { uint32 FrameNumber; FGameTime Time; bool bWorldIsPaused; };
struct FViewMatrices { const FMatrix& GetViewMatrix() const; FMatrix ComputeProjectionNoAAMatrix() const; };
struct FSceneView
{
    FIntRect UnscaledViewRect;
    const FSceneViewFamily* Family;
    FViewMatrices ViewMatrices;
    float NearClippingDistance;
    bool bCameraCut;
    bool IsPerspectiveProjection() const;
    EStubFeatureLevel GetFeatureLevel() const;
};
struct FSceneTextureUniformParameters { FRDGTextureRef SceneDepthTexture, GBufferVelocityTexture; };
template <typename T> struct TRDGUniformBufferRef { struct FStub { const T* GetParameters() const; }; FStub* operator->() const; };
struct FPostProcessingInputs { TRDGUniformBufferRef<FSceneTextureUniformParameters> SceneTextures; };
struct FScreenPassTexture { FRDGTextureRef Texture; FIntRect ViewRect; };
struct FPostProcessMaterialInputs { FScreenPassTexture ReturnUntouchedSceneColorForPostProcessing(FRDGBuilder&) const; };
enum class EPostProcessingPass { Tonemap };
struct FAfterPassCallbackDelegate
{
    template <typename T, typename F> static FAfterPassCallbackDelegate CreateRaw(T*, F);
};
using FAfterPassCallbackDelegateArray = TArray<FAfterPassCallbackDelegate>;
struct FAutoRegister {};

struct ISceneViewExtension
{
    virtual ~ISceneViewExtension() = default;
    virtual void SetupViewFamily(FSceneViewFamily&) = 0;
    virtual void SetupView(FSceneViewFamily&, FSceneView&) = 0;
    virtual void BeginRenderViewFamily(FSceneViewFamily&) = 0;
    virtual void PrePostProcessPass_RenderThread(FRDGBuilder&, const FSceneView&, const FPostProcessingInputs&) {}
    virtual void SubscribeToPostProcessingPass(EPostProcessingPass, const FSceneView&, FAfterPassCallbackDelegateArray&, bool) {}
};
struct FSceneViewExtensionBase : ISceneViewExtension { explicit FSceneViewExtensionBase(const FAutoRegister&); };
struct FSceneViewExtensions { template <typename T, typename... A> static TSharedPtr<T, ESPMode::ThreadSafe> NewExtension(A&&...); };

struct SWindow {};
struct FOnBackBuffer
{
    template <typename T, typename F> FDelegateHandle AddRaw(T*, F);
    void Remove(FDelegateHandle);
};
struct FSlateRenderer { FOnBackBuffer& OnBackBufferReadyToPresent(); };
struct FSlateApplication { static FSlateApplication& Get(); FSlateRenderer* GetRenderer() const; };

struct IModuleInterface
{
    virtual ~IModuleInterface() = default;
    virtual void StartupModule() {}
    virtual void ShutdownModule() {}
};
#define IMPLEMENT_MODULE(Class, Name) IModuleInterface* StubMake##Name() { return new Class; }
struct IPlugin { FString GetBaseDir() const; };
struct IPluginManager { static IPluginManager& Get(); IPlugin* FindPlugin(const TCHAR*); };
struct FPaths { static FString Combine(const FString&, const TCHAR*); };
void AddShaderSourceDirectoryMapping(const TCHAR*, const FString&);
struct FConsoleCommandDelegate { template <typename F> static FConsoleCommandDelegate CreateLambda(F); };
struct FConsoleCommandWithArgsDelegate
{
    template <typename F> static FConsoleCommandWithArgsDelegate CreateLambda(F Function)
    {
        std::function<void(const TArray<FString>&)> Checked = Function;
        return {};
    }
};
struct FAutoConsoleCommand
{
    FAutoConsoleCommand(const TCHAR*, const TCHAR*, const FConsoleCommandDelegate&);
    FAutoConsoleCommand(const TCHAR*, const TCHAR*, const FConsoleCommandWithArgsDelegate&);
};
