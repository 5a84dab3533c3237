package pxepilot

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// MAC is an IEEE 802 MAC-48 address in transmission order, as it stands in the
// "01-" names that PXELINUX asks for (ARP hardware type 1 is Ethernet, RFC 826).
type MAC [6]byte

// ParseMAC reads a MAC address written as six pairs of hexadecimal digits
// separated by ":", "-" or ".", as three groups of four ("0011.2233.4455"), or
// without separators, in any case. One address uses one separator throughout.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	bad := func() (MAC, error) {
		return MAC{}, fmt.Errorf("%s is not a MAC address (want six pairs of hexadecimal digits such as 00:1a:2b:3c:4d:5e)", Quote(s))
	}
	if len(s) > len("00:00:00:00:00:00") {
		return bad()
	}
	digits := s
	if i := strings.IndexAny(s, ":-."); i >= 0 {
		groups := strings.Split(s, s[i:i+1])
		size := len(groups[0])
		if !(size == 2 && len(groups) == 6) && !(size == 4 && len(groups) == 3) {
			return bad()
		}
		for _, g := range groups {
			if len(g) != size {
				return bad()
			}
		}
		digits = strings.Join(groups, "")
	}
	if len(digits) != 2*len(m) {
		return bad()
	}
	if _, err := hex.Decode(m[:], []byte(digits)); err != nil {
		return bad()
	}
	return m, nil
}

// String is the form shown to people: lower case, separated by ":".
func (m MAC) String() string { return string(m.join(':')) }

// Dashed is the form that loaders ask for in file names: lower case, separated
// by "-" (PXELINUX, GRUB and U-Boot never ask for upper case).
func (m MAC) Dashed() string { return string(m.join('-')) }

// Bare is the address without separators, lower case.
func (m MAC) Bare() string { return hex.EncodeToString(m[:]) }

// IsZero says whether m is 00:00:00:00:00:00, which stands for "none".
func (m MAC) IsZero() bool { return m == MAC{} }

func (m MAC) join(sep byte) []byte {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, x := range m {
		if i > 0 {
			b = append(b, sep)
		}
		b = append(b, digits[x>>4], digits[x&0xf])
	}
	return b
}

// MarshalText implements encoding.TextMarshaler with the form of String.
func (m MAC) MarshalText() ([]byte, error) { return m.join(':'), nil }

// UnmarshalText implements encoding.TextUnmarshaler with ParseMAC.
func (m *MAC) UnmarshalText(text []byte) error {
	p, err := ParseMAC(string(text))
	if err != nil {
		return err
	}
	*m = p
	return nil
}
