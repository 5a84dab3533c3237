package ipmi

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

// someKeys are what a handshake by the suite comes to.
func someKeys(s *suite) keys {
	h := &handshake{suite: s, user: "u", password: pxepilot.NewSecret("p")}
	_, _ = rand.Read(h.consoleRand[:])
	_, _ = rand.Read(h.bmcRand[:])
	return h.derive(h.master())
}

// What is sealed is unsealed, and nothing else is: no bit of it can change, and
// nothing can be cut off or added.
func TestSeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := someKeys(rapid.SampledFrom(suites).Draw(t, "suite"))
		session := [4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, "session"))
		number := rapid.Uint32().Draw(t, "number")
		message := rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "message")

		b := k.seal(session, number, message)
		got, m, ok := k.unseal(session, b)
		if !ok || got != number || !bytes.Equal(m, message) {
			t.Fatalf("unseal = %d, %x, %v; want %d, %x", got, m, ok, number, message)
		}
		// The RMCP header is not signed; what it says is checked.
		at := rapid.IntRange(4, len(b)-1).Draw(t, "byte")
		forged := bytes.Clone(b)
		forged[at] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, _, ok := k.unseal(session, forged); ok {
			t.Errorf("a datagram whose byte %d was changed is taken", at)
		}
		if _, _, ok := k.unseal(session, b[:rapid.IntRange(0, len(b)-1).Draw(t, "length")]); ok {
			t.Error("a datagram that was cut is taken")
		}
		if _, _, ok := k.unseal(session, append(bytes.Clone(b), 0)); ok {
			t.Error("a datagram with more behind it is taken")
		}
		if _, _, ok := someKeys(k.suite).unseal(session, b); ok {
			t.Error("a datagram of another session is taken")
		}
	})
}

// An answer is one to a message, and no other.
func TestAnswer(t *testing.T) {
	ok := []byte{0x81, 0x07 << 2, 0, 0x20, 5 << 2, 0x3c, 0, 1, 2}
	ok[2] = checksum(ok[:2])
	ok = append(ok, checksum(ok[3:]))
	if code, data, is := answer(ok, closeSession, 5); !is || code != 0 || !bytes.Equal(data, []byte{1, 2}) {
		t.Errorf("answer = %d, %x, %v", code, data, is)
	}
	for i := range ok {
		if i == 0 || i == 3 {
			continue // addresses: covered by the checksums only
		}
		b := bytes.Clone(ok)
		b[i] ^= 4
		if _, _, is := answer(b, closeSession, 5); is {
			t.Errorf("an answer whose byte %d was changed is taken", i)
		}
	}
	for n := range ok {
		if _, _, is := answer(ok[:n], closeSession, 5); is && n < 8 {
			t.Errorf("an answer of %d bytes is taken", n)
		}
	}
	if _, _, is := answer(ok, closeSession, 6); is {
		t.Error("the answer to another message is taken")
	}
	if _, _, is := answer(ok, setPrivilege, 5); is {
		t.Error("the answer to another command is taken")
	}
}

// Get Chassis Status, as IPMI 2.0 section 13.8 writes it out.
func TestMessage(t *testing.T) {
	want := []byte{0x20, 0x00, 0xe0, 0x81, 0x04, 0x01, 0x7a}
	if diff := cmp.Diff(want, message(chassisStatus, 1, nil)); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
}

func TestWanted(t *testing.T) {
	best, other := suites[0], suites[1]
	for _, tt := range []struct {
		set   int
		known *suite
		want  []*suite
	}{
		{-1, nil, []*suite{best, other}},
		{-1, other, []*suite{other, best}},
		{3, nil, []*suite{other}},
		{17, other, []*suite{best}},
	} {
		got, err := wanted(tt.set, tt.known)
		if err != nil || len(got) != len(tt.want) {
			t.Fatalf("wanted(%d) = %d suites, %v", tt.set, len(got), err)
		}
		for i := range got {
			if got[i] != tt.want[i] {
				t.Errorf("wanted(%d)[%d] = suite %d, want %d", tt.set, i, got[i].id, tt.want[i].id)
			}
		}
	}
}
