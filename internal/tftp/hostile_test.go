package tftp

import (
	"bytes"
	"encoding/binary"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pxe-pilot/pxe-pilot"
)

var netipLoopback = netip.MustParseAddr("127.0.0.1")

// hostile is a server that answers each packet with what answer returns, until
// the test ends.
func hostile(t testing.TB, answer func(packet []byte) [][]byte) (address string) {
	t.Helper()
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	var done sync.WaitGroup
	done.Go(func() {
		buffer := make([]byte, 2000)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			for _, p := range answer(buffer[:n]) {
				_, _ = conn.WriteTo(p, from)
			}
		}
	})
	t.Cleanup(func() {
		conn.Close()
		done.Wait()
	})
	return conn.LocalAddr().String()
}

func data(number uint16, content string) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0, opData}, number), content...)
}

func failure(code byte, message string) []byte {
	return append([]byte{0, opError, 0, code}, message...)
}

// What servers do that do not do what they should.
func TestServersThatMisbehave(t *testing.T) {
	full := strings.Repeat("x", plainSize)
	oack := func(text string) []byte { return append([]byte{0, opOptions}, text...) }
	for _, tt := range []struct {
		name   string
		answer func(n int, packet []byte) [][]byte // to the nth packet
		want   string
		code   pxepilot.Code
		says   string
	}{
		{"endless", func(_ int, p []byte) [][]byte {
			if kind(p) == opRead {
				return [][]byte{data(1, full)}
			}
			return [][]byte{data(binary.BigEndian.Uint16(p[2:])+1, full)}
		}, "", pxepilot.TooLarge, "more than 5000 bytes"},
		{"options again and again", func(n int, _ []byte) [][]byte {
			if n > 1 {
				return [][]byte{oack("blksize\x001024\x00"), data(1, "x")}
			}
			return [][]byte{oack("blksize\x00512\x00")}
		}, "x", "", ""},
		{"copies, and what is none", func(_ int, p []byte) [][]byte {
			if kind(p) == opRead {
				return [][]byte{{}, {0}, {0, 3}, {0, 3, 0}, {9, 9, 9, 9}, data(7, "no"), data(1, full), data(1, full)}
			}
			return [][]byte{data(1, full), ack(1), data(2, "end")}
		}, full + "end", "", ""},
		{"larger blocks than were asked for", func(int, []byte) [][]byte { return [][]byte{oack("blksize\x0065464\x00")} }, "", pxepilot.Unavailable,
			`it wants blocks of "65464" bytes where 1408 were asked for`},
		{"blocks of nothing", func(int, []byte) [][]byte { return [][]byte{oack("blksize\x000\x00")} }, "", pxepilot.Unavailable, `blocks of "0" bytes`},
		{"a block that is too large", func(int, []byte) [][]byte { return [][]byte{data(1, full+"x")} }, "", pxepilot.Unavailable, "it sends 513 bytes in a block of 512"},
		{"options of its own", func(_ int, p []byte) [][]byte {
			if kind(p) == opRead {
				return [][]byte{oack("tsize\x00x\x00BLKSIZE\x00512\x00windowsize")}
			}
			return [][]byte{data(1, "x")}
		}, "x", "", ""},
		{"no options", func(n int, p []byte) [][]byte {
			if bytes.Contains(p, []byte("blksize")) {
				return [][]byte{failure(optionRefused, "no options\x00")}
			}
			return [][]byte{data(1, "plain")}
		}, "plain", "", ""},
		{"an error that is cut short", func(int, []byte) [][]byte { return [][]byte{{0, 5, 0}} }, "", pxepilot.Unprocessable, "TFTP error 0"},
		{"an error to escape", func(int, []byte) [][]byte { return [][]byte{failure(2, "\x1b[31m"+strings.Repeat("no", 500))} }, "", pxepilot.Forbidden,
			`access denied ("\x1b[31mno`},
		{"an error without an end", func(int, []byte) [][]byte { return [][]byte{failure(1, "")} }, "", pxepilot.NotFound, "not found"},
		{"an error on the way", func(n int, _ []byte) [][]byte {
			if n > 1 {
				return [][]byte{failure(0, "Input/output error\x00")}
			}
			return [][]byte{data(1, full)}
		}, "", pxepilot.Unprocessable, `TFTP error 0 ("Input/output error")`},
		{"lost packets", func(n int, p []byte) [][]byte {
			switch {
			case n%2 == 1:
				return nil
			case kind(p) == opRead:
				return [][]byte{data(1, full)}
			}
			return [][]byte{data(2, "")}
		}, full, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := 0
			s := newServer(t, hostile(t, func(p []byte) [][]byte {
				n++
				return tt.answer(n, p)
			}), "")
			got, err := s.Fetch(t.Context(), "a", pxepilot.Plain, 5000)
			if string(got) != tt.want || pxepilot.ErrorCode(err) != tt.code || err != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%q, %v", got, err)
			}
			if err != nil && (len(err.Error()) > 300 || strings.ContainsAny(err.Error(), "\x1b\n")) {
				t.Errorf("%q", err)
			}
		})
	}
}

// Others cannot answer in place of the server, nor can the server from another
// port once it began.
func TestStrangers(t *testing.T) {
	strange, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer strange.Close()
	listening, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	other, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	var done sync.WaitGroup
	done.Go(func() {
		buffer := make([]byte, 1000)
		_, client, err := listening.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = strange.WriteTo(data(1, "strange"), client)
		_, _ = listening.WriteTo(data(1, strings.Repeat("x", plainSize)), client)
		if _, _, err := listening.ReadFrom(buffer); err != nil { // its acknowledgement
			return
		}
		_, _ = other.WriteTo(data(2, "other"), client)
		_, _ = other.WriteTo(failure(1, "gone"), client)
		_, _ = listening.WriteTo(data(2, "end"), client)
	})
	got, err := newServer(t, listening.LocalAddr().String(), "").Fetch(t.Context(), "a", pxepilot.Plain, 5000)
	listening.Close()
	done.Wait()
	if err != nil || !strings.HasSuffix(string(got), "xend") {
		t.Errorf("%q, %v", got, err)
	}
}

// FuzzServer answers whatever comes with two packets, in which "|" stands for a
// zero byte. What is made of it is bounded, and there is an end.
func FuzzServer(f *testing.F) {
	f.Add([]byte("\x03|\x01hello"), []byte("\x06blksize|512|"))
	f.Add([]byte("\x05|\x01not there"), []byte("\x06"))
	f.Add([]byte("\x06blksize|8|"), []byte("\x03|\x0112345678"))
	before := patience
	patience = [...]time.Duration{time.Millisecond, time.Millisecond, time.Millisecond}
	f.Cleanup(func() { patience = before })
	f.Fuzz(func(t *testing.T, first, second []byte) {
		packet := func(b []byte) []byte { return append([]byte{0}, bytes.ReplaceAll(b, []byte("|"), []byte{0})...) }
		s := newServer(t, hostile(t, func([]byte) [][]byte { return [][]byte{packet(first), packet(second)} }), "")
		got, err := s.Fetch(t.Context(), "a", pxepilot.Plain, 1000)
		if len(got) > 1000 || err != nil && got != nil {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		if err != nil && (len(err.Error()) > 400 || strings.ContainsAny(err.Error(), "\n\x1b")) {
			t.Errorf("%q", err)
		}
	})
}
