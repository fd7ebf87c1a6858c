"""The pack of photographed and modelled material: fetched by package name, converted once."""
