#include "HAL/IConsoleManager.h"
#include "Interfaces/IPluginManager.h"
#include "Misc/Paths.h"
#include "Modules/ModuleManager.h"
#include "RealMasterViewExtension.h"
#include "ShaderCore.h"

/** Console: `RealMaster.Start NAME`, `RealMaster.Stop`, `RealMaster.Cut`. */
class FRealMasterModule final : public IModuleInterface
{
public:
    virtual void StartupModule() override
    {
        const FString Folder = IPluginManager::Get().FindPlugin(TEXT("RealMaster"))->GetBaseDir();
        AddShaderSourceDirectoryMapping(TEXT("/Plugin/RealMaster"), FPaths::Combine(Folder, TEXT("Shaders")));
    }

    virtual void ShutdownModule() override { Extension.Reset(); }

private:
    TSharedPtr<FRealMasterViewExtension, ESPMode::ThreadSafe> Extension;

    FAutoConsoleCommand StartCommand{
        TEXT("RealMaster.Start"), TEXT("Publish frames into the ring NAME"),
        FConsoleCommandWithArgsDelegate::CreateLambda([this](const TArray<FString>& Words) {
            Extension.Reset(); // the old ring first, should it have the same name
            Extension = FSceneViewExtensions::NewExtension<FRealMasterViewExtension>(
                Words.Num() > 0 ? Words[0] : FString(TEXT("unreal")));
        })};
    FAutoConsoleCommand StopCommand{TEXT("RealMaster.Stop"), TEXT("Publish no more"),
                                    FConsoleCommandDelegate::CreateLambda([this] { Extension.Reset(); })};
    FAutoConsoleCommand CutCommand{TEXT("RealMaster.Cut"), TEXT("The next frame follows nothing"),
                                   FConsoleCommandDelegate::CreateLambda([this] {
                                       if (Extension.IsValid()) Extension->Cut();
                                   })};
};

IMPLEMENT_MODULE(FRealMasterModule, RealMaster)
