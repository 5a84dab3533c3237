package neighbour

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/net/bpf"

	"github.com/pxe-pilot/pxe-pilot"
)

// An ARP packet for Ethernet and IPv4 (RFC 826) behind its Ethernet header, by
// the offsets of its fields.
const (
	frameLen = 42

	atDestination = 0
	atSource      = 6
	atEtherType   = 12
	atFormat      = 14 // hardware type and protocol type
	atOperation   = 18 // both address lengths and the operation
	atSenderMAC   = 22
	atSenderIP    = 28
	atTargetIP    = 38

	etherTypeARP   = 0x0806
	ethernetIPv4   = 0x0001_0800 // hardware type 1, protocol type 0x0800
	operationAsk   = 0x0604_0001 // lengths 6 and 4, operation 1
	operationReply = 0x0604_0002 // operation 2
)

// newFrame makes an ARP request from source, to everybody; aim says for whom.
func newFrame(mac pxepilot.MAC, source netip.Addr) []byte {
	b := make([]byte, frameLen)
	copy(b[atDestination:], []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	copy(b[atSource:], mac[:])
	binary.BigEndian.PutUint16(b[atEtherType:], etherTypeARP)
	binary.BigEndian.PutUint32(b[atFormat:], ethernetIPv4)
	binary.BigEndian.PutUint32(b[atOperation:], operationAsk)
	copy(b[atSenderMAC:], mac[:])
	binary.BigEndian.PutUint32(b[atSenderIP:], toUint(source))
	return b
}

// aim sets which address a request asks for.
func aim(frame []byte, target uint32) {
	binary.BigEndian.PutUint32(frame[atTargetIP:], target)
}

// parseReply reads who is where from an ARP reply. Frames are padded to the
// least that Ethernet carries, so that what follows the packet means nothing.
func parseReply(b []byte) (addr uint32, mac pxepilot.MAC, ok bool) {
	if len(b) < frameLen ||
		binary.BigEndian.Uint16(b[atEtherType:]) != etherTypeARP ||
		binary.BigEndian.Uint32(b[atFormat:]) != ethernetIPv4 ||
		binary.BigEndian.Uint32(b[atOperation:]) != operationReply {
		return 0, mac, false
	}
	copy(mac[:], b[atSenderMAC:])
	const group = 1 // IEEE 802: the bit of addresses that no one machine has
	if mac.IsZero() || mac[0]&group != 0 {
		return 0, pxepilot.MAC{}, false
	}
	return binary.BigEndian.Uint32(b[atSenderIP:]), mac, true
}

// repliesTo makes the kernel pass us ARP replies to source and nothing else. The
// Ethernet destination is not looked at, for some machines reply to everybody
// (RFC 3927 section 2.5 has them do so).
func repliesTo(source netip.Addr) ([]bpf.RawInstruction, error) {
	var program []bpf.Instruction
	fields := []struct {
		at, size int
		value    uint32
	}{
		{atEtherType, 2, etherTypeARP},
		{atFormat, 4, ethernetIPv4},
		{atOperation, 4, operationReply},
		{atTargetIP, 4, toUint(source)},
	}
	for i, f := range fields {
		toRefusal := 2*(len(fields)-1-i) + 1
		program = append(program,
			bpf.LoadAbsolute{Off: uint32(f.at), Size: f.size},
			bpf.JumpIf{Cond: bpf.JumpEqual, Val: f.value, SkipFalse: uint8(toRefusal)})
	}
	program = append(program, bpf.RetConstant{Val: frameLen}, bpf.RetConstant{Val: 0})
	return bpf.Assemble(program)
}

// toUint is the number that an IPv4 address is.
func toUint(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

func toAddr(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}
