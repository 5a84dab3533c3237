package pxepilot

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"
	"strings"
)

// A Host is a machine that boots over the network, as the configuration file
// describes it. Hosts are immutable once they are in an Inventory.
type Host struct {
	Name string
	MACs []MAC // one or more; the first one's link leads the others
	// IdentityMACs are those that it speaks with besides MACs, such as a bond's or
	// a bridge's. It does not boot with them.
	IdentityMACs []MAC
	Labels       map[string]string // free for the user
	Bootloaders  []string          // only these loaders count; empty means all declared
	Firmware     Firmware          // empty when not told
	UUID         UUID              // SMBIOS system UUID; zero when not told
	Serial       string            // as the loader reports it; empty when not told
	IP           netip.Addr        // the address that DHCP gives it; zero when not told
	// At most one of the next four drives the host's power.
	IPMI       *IPMI
	Redfish    *Redfish
	Management *Management
	WakeOnLAN  *WakeOnLAN
}

// Firmware is what a machine boots with.
type Firmware string

// The kinds of firmware.
const (
	BIOS Firmware = "bios"
	UEFI Firmware = "uefi"
)

// IPMI says how the BMC of a host is reached over IPMI 2.0 RMCP+.
type IPMI struct {
	Hostname string // name or address; empty when found by MAC
	MAC      MAC    // zero when Hostname tells where it is
	Subnets  []netip.Prefix
	Port     int // UDP; 623 unless told (IPMI 2.0 section 13.1.2)
	Credentials
	Interface   string // "lanplus"
	CipherSuite int    // IPMI 2.0 table 22-20; -1 when not told
}

// UUID is a SMBIOS system UUID in the byte order in which it is written.
type UUID [16]byte

// ParseUUID reads the form 8-4-4-4-12, in any case.
func ParseUUID(s string) (UUID, error) {
	var u UUID
	groups := strings.Split(s, "-")
	if len(groups) == 5 && len(s) == 36 {
		at := 0
		for i, n := range [...]int{4, 2, 2, 2, 6} {
			if len(groups[i]) != 2*n {
				break
			}
			for ; n > 0; n-- {
				hi, lo := hexDigit(groups[i][0]), hexDigit(groups[i][1])
				if hi < 0 || lo < 0 {
					return UUID{}, fmt.Errorf("%s is not a UUID (want 8-4-4-4-12 hexadecimal digits)", Quote(s))
				}
				u[at] = byte(hi<<4 | lo)
				groups[i], at = groups[i][2:], at+1
			}
		}
		if at == len(u) {
			return u, nil
		}
	}
	return UUID{}, fmt.Errorf("%s is not a UUID (want 8-4-4-4-12 hexadecimal digits)", Quote(s))
}

func hexDigit(c byte) int {
	switch {
	case '0' <= c && c <= '9':
		return int(c - '0')
	case 'a' <= c && c <= 'f':
		return int(c-'a') + 10
	case 'A' <= c && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// IsZero says whether no UUID was told. An all-zero UUID is QEMU's default and
// means nothing, so that it is never used as a name.
func (u UUID) IsZero() bool { return u == UUID{} }

// String is the lower-case form that loaders ask for.
func (u UUID) String() string {
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[0:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// Swapped is the UUID with its first three fields in the other byte order. SMBIOS
// has them little-endian since 2.6 (section 7.2.1), which who prints it undoes and
// who sends it on by DHCP (RFC 4578 section 2.3) does not.
func (u UUID) Swapped() UUID {
	slices.Reverse(u[0:4])
	slices.Reverse(u[4:6])
	slices.Reverse(u[6:8])
	return u
}

// Inventory is an immutable set of hosts, found by name and by MAC address.
type Inventory struct {
	hosts      []*Host
	byName     map[string]*Host
	byMAC      map[MAC]*Host
	byIdentity map[MAC]*Host // by those that none boots with
}

// NewInventory indexes hosts. It fails where a host has no MAC address, or
// where two share a name or an address; the configuration file's reader tells
// that earlier, with lines.
func NewInventory(hosts []*Host) (*Inventory, error) {
	inv := &Inventory{
		hosts:      hosts,
		byName:     make(map[string]*Host, len(hosts)),
		byMAC:      make(map[MAC]*Host, len(hosts)),
		byIdentity: make(map[MAC]*Host),
	}
	for _, h := range hosts {
		if err := CheckName(h.Name); err != nil {
			return nil, fmt.Errorf("host: %w", err)
		}
		if inv.byName[h.Name] != nil {
			return nil, fmt.Errorf("two hosts are named %s", Quote(h.Name))
		}
		inv.byName[h.Name] = h
		if len(h.MACs) == 0 {
			return nil, fmt.Errorf("host %s has no MAC address", Quote(h.Name))
		}
		for _, m := range h.MACs {
			if err := inv.free(m, h); err != nil {
				return nil, err
			}
			inv.byMAC[m] = h
		}
	}
	for _, h := range hosts {
		for _, m := range h.IdentityMACs {
			if err := inv.free(m, h); err != nil {
				return nil, err
			}
			inv.byIdentity[m] = h
		}
	}
	return inv, nil
}

// free fails where h cannot have the address, because a host has it.
func (inv *Inventory) free(m MAC, h *Host) error {
	switch other := inv.ByIdentity(m); other {
	case nil:
		return nil
	case h:
		return fmt.Errorf("host %s has the MAC address %s twice", Quote(h.Name), m)
	default:
		return fmt.Errorf("hosts %s and %s share the MAC address %s", Quote(other.Name), Quote(h.Name), m)
	}
}

// Hosts returns all hosts in the order of the file. The caller must not change
// the slice.
func (inv *Inventory) Hosts() []*Host { return inv.hosts }

// Find returns the host that ref names, or nil: an exact host name always wins,
// then a MAC address in any spelling.
func (inv *Inventory) Find(ref string) *Host {
	if h := inv.byName[ref]; h != nil {
		return h
	}
	if m, err := ParseMAC(ref); err == nil {
		return inv.byMAC[m]
	}
	return nil
}

// ByName returns the host of that exact name, or nil.
func (inv *Inventory) ByName(name string) *Host { return inv.byName[name] }

// ByMAC returns the host that boots with the address, or nil.
func (inv *Inventory) ByMAC(m MAC) *Host { return inv.byMAC[m] }

// ByIdentity returns the host that speaks with the address, whether it boots with
// it or not, or nil.
func (inv *Inventory) ByIdentity(m MAC) *Host {
	if h := inv.byMAC[m]; h != nil {
		return h
	}
	return inv.byIdentity[m]
}

// Names returns the names of all hosts, sorted.
func (inv *Inventory) Names() []string {
	names := make([]string, len(inv.hosts))
	for i, h := range inv.hosts {
		names[i] = h.Name
	}
	sort.Strings(names)
	return names
}
