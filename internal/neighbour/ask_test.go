package neighbour

import (
	"bytes"
	"net/netip"
	"slices"
	"testing"

	"github.com/pxe-pilot/pxe-pilot"
)

func replyOf(ethernet, says pxepilot.MAC, addr string) []byte {
	b := newFrame(ethernet, netip.MustParseAddr(addr))
	b[atOperation+3] = 2
	copy(b[atSenderMAC:], says[:])
	return b
}

func TestWhoIsInReplies(t *testing.T) {
	target := toUint(netip.MustParseAddr("10.0.0.5"))
	for name, tt := range map[string]struct {
		frame []byte
		want  []pxepilot.MAC
	}{
		"its own":       {replyOf(macA, macA, "10.0.0.5"), []pxepilot.MAC{macA, macA}},
		"for another":   {replyOf(macB, macA, "10.0.0.5"), []pxepilot.MAC{macA, macB}},
		"another's":     {replyOf(macA, macA, "10.0.0.6"), nil},
		"of nobody":     {replyOf(macA, pxepilot.MAC{}, "10.0.0.5"), nil},
		"of everybody":  {replyOf(macA, pxepilot.MAC{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, "10.0.0.5"), nil},
		"a question":    {newFrame(macA, netip.MustParseAddr("10.0.0.5")), nil},
		"half of a one": {replyOf(macA, macA, "10.0.0.5")[:frameLen-1], nil},
	} {
		if got := replies(tt.frame, target); !slices.Equal(got, tt.want) {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

// advertisement is an answer to a solicitation, with options.
func advertisement(target string, options ...byte) []byte {
	b := append(make([]byte, atTarget), netip.MustParseAddr(target).AsSlice()...)
	b[0] = 136
	return append(b, options...)
}

func TestParseAdvertisement(t *testing.T) {
	for name, tt := range map[string]struct {
		packet []byte
		want   pxepilot.MAC
	}{
		"one":             {advertisement("fe80::a", 2, 1, 2, 0, 0, 0, 0, 0x0a), macA},
		"behind others":   {advertisement("fe80::a", 14, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0x0a), macA},
		"none":            {advertisement("fe80::a"), pxepilot.MAC{}},
		"the sender's":    {advertisement("fe80::a", 1, 1, 2, 0, 0, 0, 0, 0x0a), pxepilot.MAC{}},
		"of everybody":    {advertisement("fe80::a", 2, 1, 0x33, 0x33, 0, 0, 0, 1), pxepilot.MAC{}},
		"without length":  {advertisement("fe80::a", 2, 0, 2, 0, 0, 0, 0, 0x0a), pxepilot.MAC{}},
		"longer than all": {advertisement("fe80::a", 2, 2, 2, 0, 0, 0, 0, 0x0a), pxepilot.MAC{}},
		"cut off":         {advertisement("fe80::a", 2, 1, 2, 0, 0, 0, 0), pxepilot.MAC{}},
		"half an address": {advertisement("fe80::a")[:20], pxepilot.MAC{}},
	} {
		target, mac, ok := parseAdvertisement(tt.packet)
		if mac = either(ok, mac, pxepilot.MAC{}); mac != tt.want || ok && target != netip.MustParseAddr("fe80::a") {
			t.Errorf("%s: got %s at %s, %t; want %s", name, mac, target, ok, tt.want)
		}
	}
}

// Whatever machines send, nobody is found in it that is no machine.
func FuzzParseAdvertisement(f *testing.F) {
	f.Add(advertisement("fe80::a", 2, 1, 2, 0, 0, 0, 0, 0x0a))
	f.Add(advertisement("fe80::a", 14, 1, 0, 0, 0, 0, 0, 0, 2, 1, 2, 0, 0, 0, 0, 0x0a))
	f.Fuzz(func(t *testing.T, packet []byte) {
		if _, mac, ok := parseAdvertisement(packet); ok && (!isMachine(mac) || !bytes.Contains(packet, mac[:])) {
			t.Errorf("%x: %s", packet, mac)
		}
	})
}

func TestSolicitation(t *testing.T) {
	target := netip.MustParseAddr("fe80::1:2:3:4")
	want := []byte{135, 0, 0, 0, 0, 0, 0, 0, 0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 0, 3, 0, 4, 1, 1, 2, 0, 0, 0, 0, 0x0a}
	if got := solicitation(target, macA); !bytes.Equal(got, want) {
		t.Errorf("got % x", got)
	}
	if got := solicitedNode(target); got != netip.MustParseAddr("ff02::1:ff03:4") {
		t.Errorf("got %s", got)
	}
}

func TestPassedRouter(t *testing.T) {
	for hops, want := range map[int]bool{0: false, 64: false, 63: true, 62: true, 128: false, 127: true, 255: false, 254: true, 32: false, 1: true} {
		if got := passedRouter(hops); got != want {
			t.Errorf("%d: got %t", hops, got)
		}
	}
}
