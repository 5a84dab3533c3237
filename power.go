package pxepilot

import (
	"net/netip"
	"time"
)

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

// PowerKnowledge is what is known of a machine's power, and since when.
type PowerKnowledge struct {
	State   PowerState // empty where only the address was asked for
	At      time.Time  // when the BMC said so, or failed to; zero when it was never asked
	Address string     // of the BMC, as used or found last; empty when not known
	Problem string     // why State is Unknown, in one line; empty when it is not
}

// A PowerView is what is known of the power of all machines that have any. It is
// immutable, and the same pointer for as long as nothing new is known.
type PowerView struct {
	Hosts map[string]PowerKnowledge // by name: a host is the same one after a reload
}

// Of returns what is known of a host; ok is false where nothing drives its power.
func (v *PowerView) Of(h *Host) (k PowerKnowledge, ok bool) {
	if v == nil {
		return PowerKnowledge{}, false
	}
	k, ok = v.Hosts[h.Name]
	return k, ok
}

// Credentials are how the program makes itself known to a BMC. At most one of
// the password's sources is told.
type Credentials struct {
	Username     string
	Password     Secret
	PasswordFile string // file to read it from, each time that it is needed
	PasswordEnv  string // environment variable to read it from
}

// Redfish says how the BMC of a host is reached by Redfish (DMTF DSP0266).
type Redfish struct {
	URL string // https://address[:port], or http://
	Credentials
	CAFile      string // PEM file of the authorities to trust
	Fingerprint string // SHA-256 of the certificate to trust, in hexadecimal
	Insecure    bool   // trust any certificate
	System      string // id of the system; empty means the only one
}

// Management says that commands drive the power of a host: those of an adapter.
type Management struct {
	Adapter string
	Address string // name or address; empty when found by MAC
	MAC     MAC    // zero when Address tells where it is
	Subnets []netip.Prefix
	Vars    []Var // they win over the adapter's
}

// A Var is a variable of an adapter's templates. Its value may be a password.
type Var struct {
	Name  string
	Value Secret
}

// An Adapter is a set of commands that drive the power of machines.
type Adapter struct {
	Name       string
	Vars       []Var
	Status     Command // its output is matched with PatternOn and PatternOff
	PatternOn  string  // regular expressions
	PatternOff string
	On         Command
	Off        Command
	Reset      Command
}

// A Command is a line that is split into words as a shell does, and then expanded
// word by word as templates; no shell ever sees it. Empty means that there is none.
type Command struct {
	Line  string
	Env   map[string]string // templates
	Stdin string            // template
}

// WakeOnLAN says that a host is turned on by magic packets to its MAC addresses.
type WakeOnLAN struct {
	Broadcast netip.Addr // where UDP packets go; zero when Interface is told, or for each network of this machine
	Interface string     // the network interface that Ethernet frames go out of
}

// SubnetSweep is what a sweep of one subnet for BMCs found.
type SubnetSweep struct {
	Subnet     netip.Prefix
	Method     string // "arp", or "kernel" without the privilege
	Asked      int    // addresses
	Answered   int    // addresses
	Found      []Sighting
	Missing    []MAC    // that were wanted in this subnet and did not answer
	Duplicates []string // addresses or MACs that were seen twice, in words
	Note       string   // what may be wrong with the figures, and why; empty where nothing is
	Elapsed    time.Duration
	Problem    string // why it was not swept, and what to do; empty when it was
}

// A Sighting is a MAC address that was seen at an address.
type Sighting struct {
	MAC     MAC
	Address netip.Addr
}

// SweepProgress is how far a sweep for BMCs is, over all subnets.
type SweepProgress struct {
	Asked, Of     int // addresses
	Found, Wanted int // MAC addresses of BMCs
}
