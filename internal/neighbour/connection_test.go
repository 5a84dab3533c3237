package neighbour

import (
	"bytes"
	"net"
	"net/netip"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

// packets that opened connections, from macA.
var (
	overIPv4 = bytes.Join([][]byte{
		{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0a, 8, 0},
		{0x45, 0, 0, 60, 0, 0, 0x40, 0, 63, 6, 0, 0, 10, 0, 0, 5, 10, 0, 0, 1},
		make([]byte, 40),
	}, nil)
	overIPv6 = bytes.Join([][]byte{
		{2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0x0a, 0x86, 0xdd},
		{0x60, 0, 0, 0, 0, 40, 6, 255}, netip.MustParseAddr("fe80::a").AsSlice(), netip.MustParseAddr("fe80::1").AsSlice(),
		make([]byte, 40),
	}, nil)
)

func TestParseOpening(t *testing.T) {
	other := func(b []byte, at int, value byte) []byte {
		b = bytes.Clone(b)
		b[at] = value
		return b
	}
	for _, tt := range []struct {
		name   string
		packet []byte
		from   string
		sender pxepilot.MAC
		hops   int
	}{
		{"IPv4", overIPv4, "10.0.0.5", macA, 63},
		{"IPv6", overIPv6, "fe80::a%eth0", macA, 255},
		{"of another", overIPv4, "10.0.0.6", pxepilot.MAC{}, 0},
		{"of another", overIPv6, "fe80::b", pxepilot.MAC{}, 0},
		{"without Ethernet", overIPv4[ethernetHeader:], "10.0.0.5", pxepilot.MAC{}, 0},
		{"without Ethernet", overIPv6[ethernetHeader:], "fe80::a", pxepilot.MAC{}, 0},
		{"of another kind", other(overIPv4, atEtherType+1, 6), "10.0.0.5", pxepilot.MAC{}, 0},
		{"of another version", other(overIPv4, ethernetHeader, 0x65), "10.0.0.5", pxepilot.MAC{}, 0},
		{"of another version", other(overIPv6, ethernetHeader, 0x45), "fe80::a", pxepilot.MAC{}, 0},
		{"cut off", overIPv4[:ethernetHeader+ipv4Header-1], "10.0.0.5", pxepilot.MAC{}, 0},
		{"cut off", overIPv6[:ethernetHeader+ipv6Header-1], "fe80::a", pxepilot.MAC{}, 0},
		{"nothing", nil, "10.0.0.5", pxepilot.MAC{}, 0},
	} {
		if sender, hops := parseOpening(tt.packet, netip.MustParseAddr(tt.from)); sender != tt.sender || hops != tt.hops {
			t.Errorf("%s: got %s, %d; want %s, %d", tt.name, sender, hops, tt.sender, tt.hops)
		}
	}
}

// Whatever the kernel gives, either all of it is believed or nothing.
func FuzzParseOpening(f *testing.F) {
	f.Add(overIPv4)
	f.Add(overIPv6)
	f.Fuzz(func(t *testing.T, packet []byte) {
		for _, from := range []string{"10.0.0.5", "fe80::a", "::"} {
			sender, hops := parseOpening(packet, netip.MustParseAddr(from))
			if hops < 0 || hops > 255 || len(packet) < ethernetHeader && (hops != 0 || !sender.IsZero()) {
				t.Errorf("%x: %s, %d", packet, sender, hops)
			}
		}
	})
}

// What it costs each connection that is accepted.
func BenchmarkNote(b *testing.B) {
	l, err := Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	client, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	defer client.Close()
	c, err := l.Accept()
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		Note(c)
	}
}

// What it would cost each connection that is accepted to look into the kernel's
// table, which waits for whoever changes networks as well.
func BenchmarkEntry(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := entryAt(1, netip.MustParseAddr("127.0.0.1")); err != nil {
			b.Fatal(err)
		}
	}
}
