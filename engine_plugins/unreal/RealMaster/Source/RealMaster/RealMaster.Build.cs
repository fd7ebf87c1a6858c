using System.IO;
using UnrealBuildTool;

public class RealMaster : ModuleRules
{
    public RealMaster(ReadOnlyTargetRules Target) : base(Target)
    {
        PCHUsage = PCHUsageMode.UseExplicitOrSharedPCHs;
        PublicDependencyModuleNames.AddRange(new[] { "Core", "CoreUObject", "Engine" });
        PrivateDependencyModuleNames.AddRange(new[] { "Projects", "RenderCore", "Renderer", "RHI", "Slate", "SlateCore" });
        // librealmaster.so, built from engine_plugins/native as the README says, and its header.
        string Native = Path.Combine(PluginDirectory, "Native");
        PublicIncludePaths.Add(Native);
        PublicAdditionalLibraries.Add(Path.Combine(Native, "librealmaster.so"));
        RuntimeDependencies.Add(Path.Combine(Native, "librealmaster.so"));
    }
}
