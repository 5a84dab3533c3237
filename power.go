package pxepilot

// PowerState is whether a machine is on, as its BMC says.
type PowerState string

// The power states, as API v1 writes them.
const (
	PowerOn      PowerState = "On"
	PowerOff     PowerState = "Off"
	PowerUnknown PowerState = "Unknown" // the BMC did not say
)

// PowerAction is something that a BMC does to a machine. The comments name the
// chassis control command (IPMI 2.0 section 28.3) and the Redfish reset type.
type PowerAction string

// The power actions.
const (
	ActionOn      PowerAction = "on"       // power up; On
	ActionOff     PowerAction = "off"      // power down at once; ForceOff
	ActionSoftOff PowerAction = "soft-off" // soft shutdown by ACPI; GracefulShutdown
	ActionCycle   PowerAction = "cycle"    // power cycle; PowerCycle
	ActionReset   PowerAction = "reset"    // hard reset; ForceRestart
)

// BootDevice is what a machine boots from the next time, once (IPMI 2.0 section
// 28.12, boot flags; Redfish Boot.BootSourceOverrideTarget).
type BootDevice string

// The boot devices.
const (
	BootPXE   BootDevice = "pxe"
	BootDisk  BootDevice = "disk"
	BootSetup BootDevice = "bios" // the firmware's setup
)
