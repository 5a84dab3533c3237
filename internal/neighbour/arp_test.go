package neighbour

import (
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/bpf"

	"github.com/pxe-pilot/pxe-pilot"
)

// mac reads an address that is known to be one.
func mac(s string) pxepilot.MAC {
	m, err := pxepilot.ParseMAC(s)
	if err != nil {
		panic(err)
	}
	return m
}

// unhex reads hexadecimal digits with blanks.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

const reply = "02000000000a 020000000001 0806 0001 0800 06 04 0002 020000000001 0a000005 02000000000a 0a000001"

func TestFrame(t *testing.T) {
	frame := newFrame(mac("02:00:00:00:00:0a"), netip.MustParseAddr("10.0.0.1"))
	for target, want := range map[string]string{
		"10.0.0.5":   "ffffffffffff 02000000000a 0806 0001 0800 06 04 0001 02000000000a 0a000001 000000000000 0a000005",
		"10.255.1.2": "ffffffffffff 02000000000a 0806 0001 0800 06 04 0001 02000000000a 0a000001 000000000000 0aff0102",
	} {
		aim(frame, toUint(netip.MustParseAddr(target)))
		if diff := cmp.Diff(unhex(want), frame); diff != "" {
			t.Errorf("asking for %s:\n%s", target, diff)
		}
	}
}

// hears says whether the filter passes a frame.
func hears(t testing.TB, source string, frame []byte) bool {
	t.Helper()
	program, err := repliesTo(netip.MustParseAddr(source))
	if err != nil {
		t.Fatal(err)
	}
	instructions, whole := bpf.Disassemble(program)
	vm, err := bpf.NewVM(instructions)
	if err != nil || !whole {
		t.Fatal(err)
	}
	n, err := vm.Run(frame)
	if err != nil {
		t.Fatal(err)
	}
	return n > 0
}

func TestReplies(t *testing.T) {
	change := func(at int, to string) []byte {
		b := unhex(reply)
		copy(b[at:], unhex(to))
		return b
	}
	for _, tt := range []struct {
		name           string
		frame          []byte
		passes, parses bool
	}{
		{"a reply", unhex(reply), true, true},
		{"padded to what Ethernet carries", append(unhex(reply), make([]byte, 18)...), true, true},
		{"a reply to everybody", change(atDestination, "ffffffffffff"), true, true},
		{"a request", change(atOperation, "06040001"), false, false},
		{"to somebody else", change(atTargetIP, "0a000002"), false, true},
		{"another EtherType", change(atEtherType, "0800"), false, false},
		{"reverse ARP", change(atEtherType, "8035"), false, false},
		{"for another hardware", change(atFormat, "00060800"), false, false},
		{"for another protocol", change(atFormat, "000186dd"), false, false},
		{"with longer addresses", change(atOperation, "08040002"), false, false},
		{"from no MAC address", change(atSenderMAC, "000000000000"), true, false},
		{"from a group of machines", change(atSenderMAC, "010000000001"), true, false},
		{"cut off", unhex(reply)[:frameLen-1], false, false},
		{"empty", nil, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := hears(t, "10.0.0.1", tt.frame); got != tt.passes {
				t.Errorf("the filter passes it: %t, want %t", got, tt.passes)
			}
			addr, from, ok := parseReply(tt.frame)
			if ok != tt.parses {
				t.Fatalf("it is a reply: %t, want %t", ok, tt.parses)
			}
			if ok && (toAddr(addr) != netip.MustParseAddr("10.0.0.5") || from != mac("02:00:00:00:00:01")) {
				t.Errorf("got %s at %s", from, toAddr(addr))
			}
		})
	}
}

// What is read from a frame stands in it, and whatever the filter passes is a
// reply, but for senders that cannot be.
func FuzzReply(f *testing.F) {
	f.Add(unhex(reply))
	f.Add(append(unhex(reply), make([]byte, 18)...))
	f.Add(unhex(reply)[:20])
	f.Add([]byte(nil))
	f.Fuzz(func(t *testing.T, frame []byte) {
		addr, from, ok := parseReply(frame)
		passes := hears(t, "10.0.0.1", frame)
		switch {
		case ok:
			a := toAddr(addr).As4()
			if string(frame[22:28]) != string(from[:]) || string(frame[28:32]) != string(a[:]) || from.IsZero() || from[0]&1 != 0 {
				t.Errorf("read %s at %s from %x", from, toAddr(addr), frame)
			}
		case passes && frame[22]&1 == 0 && string(frame[22:28]) != "\x00\x00\x00\x00\x00\x00":
			t.Errorf("the filter passes %x, which is no reply", frame)
		}
	})
}
