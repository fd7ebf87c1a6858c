@tool
extends EditorPlugin

const NAME := "RealMasterCapture"


func _enter_tree() -> void:
	add_autoload_singleton(NAME, "res://addons/realmaster/capture.gd")


func _exit_tree() -> void:
	remove_autoload_singleton(NAME)
