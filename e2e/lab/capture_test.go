package lab

import (
	"encoding/binary"
	"testing"
)

// frame is one of Ethernet that carries IPv4, from 52:54:00:00:00:01.
func frame(protocol byte, options int, rest string) []byte {
	b := make([]byte, 34+options, 34+options+len(rest))
	copy(b[6:], []byte{0x52, 0x54, 0, 0, 0, 1})
	binary.BigEndian.PutUint16(b[12:], 0x0800)
	b[14], b[23] = 0x45+byte(options/4), protocol
	return append(b, rest...)
}

func TestParseRequest(t *testing.T) {
	udp := "\x08\x00\x00\x45\x00\x00\x00\x00"
	tcp := "\xc0\x00\x0d\x96........\x60.........." + "...." // a header of 24 bytes
	tcp = tcp[:24]
	for _, tt := range []struct {
		frame []byte
		want  string
	}{
		{frame(17, 0, udp+"\x00\x01pxelinux.0\x00octet\x00"), "52:54:00:00:00:01 READ pxelinux.0"},
		{frame(17, 8, udp+"\x00\x01a/b\x00octet\x00blksize\x001408\x00"), "52:54:00:00:00:01 READ a/b"},
		{frame(17, 0, udp+"\x00\x02written\x00octet\x00"), ""},
		{frame(17, 0, udp+"\x00\x01no end"), ""},
		{frame(17, 0, ""), ""},
		{frame(6, 0, tcp+"GET /boot/x HTTP/1.1\r\nHost: y\r\n\r\n"), "52:54:00:00:00:01 GET  /boot/x"},
		{frame(6, 4, tcp+"HEAD /tftp/a HTTP/1.1\r\n"), "52:54:00:00:00:01 HEAD /tftp/a"},
		{frame(6, 0, tcp+"GET "), ""},
		{frame(6, 0, ""), ""},
		{nil, ""},
	} {
		r, ok := parseRequest(tt.frame)
		if ok != (tt.want != "") || ok && r.String() != tt.want {
			t.Errorf("%q: %v %t, want %q", tt.frame, r, ok, tt.want)
		}
	}
}

func FuzzParseRequest(f *testing.F) {
	f.Add(frame(17, 0, "\x08\x00\x00\x45\x00\x00\x00\x00\x00\x01x\x00"))
	f.Add(frame(6, 0, ""))
	f.Fuzz(func(_ *testing.T, b []byte) { parseRequest(b) })
}
