package journal

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/pxe-pilot/pxe-pilot"
)

// sealed makes a blob of what is in one, so that the checksum does not end
// the search.
func sealed(data []byte) []byte {
	p := newPacker(len(data))
	p.data = append(p.data, data...)
	return p.seal()
}

func unsealed(blob []byte) []byte { return blob[1 : len(blob)-4] }

func FuzzHosts(f *testing.F) {
	intent, result := deployOf(3)
	f.Add(unsealed(packHosts(intent.New[0].Hosts)), "", 0)
	f.Add(unsealed(packHosts(result.Finished[0].Hosts)), "rack00-node0001", 1)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01}, "h", 3)
	f.Fuzz(func(t *testing.T, data []byte, host string, most int) {
		if _, err := unpackHosts(data, host, most); err == nil && len(data) < 5 {
			t.Error("what has no checksum was read")
		}
		hosts, err := unpackHosts(sealed(data), "", 0)
		if err != nil {
			return
		}
		again, err := unpackHosts(packHosts(hosts), "", 0)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(hosts, again); d != "" {
			t.Fatal(d)
		}
		some, err := unpackHosts(packHosts(hosts), host, most)
		if err != nil || most > 0 && len(some) != min(most, len(hosts)) || most <= 0 && len(some) != len(hosts) {
			t.Fatalf("%d of %d were asked for: %d, %v", most, len(hosts), len(some), err)
		}
	})
}

func FuzzFacts(f *testing.F) {
	f.Add(unsealed(packFacts(deed(3))), []byte{})
	f.Add(unsealed(packFacts(&pxepilot.Record{
		Disarmed: []string{"h1"},
		Armed:    []pxepilot.Arming{{Host: "h2", MACs: []pxepilot.MAC{{1}, {2}}, DropUncovered: true, Finished: at, Failure: &pxepilot.Failure{At: at, Reason: "no disk", Entry: 7}}},
		Contents: map[string]string{"a\x00grub": "00"},
	})), []byte{factGeneration, 9})
	f.Fuzz(func(t *testing.T, first, second []byte) {
		known := newFacts()
		if known.add(sealed(first)) != nil || known.add(sealed(second)) != nil {
			return
		}
		again := newFacts()
		if err := again.add(known.pack()); err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(known, again, gocmp.AllowUnexported(facts{}), cmpopts.EquateEmpty()); d != "" {
			t.Fatal(d)
		}
	})
}

// TestBlob: one bit that changed is noticed wherever it is, and so is the lack of
// the end.
func TestBlob(t *testing.T) {
	intent, _ := deployOf(3)
	blob := packHosts(intent.New[0].Hosts)
	for i := range blob {
		if _, err := unpackHosts(blob[:i], "", 0); err != errBlob {
			t.Errorf("cut at %d: %v", i, err)
		}
		for bit := range 8 {
			blob[i] ^= 1 << bit
			if _, err := unpackHosts(blob, "", 0); err != errBlob {
				t.Errorf("bit %d of byte %d: %v", bit, i, err)
			}
			blob[i] ^= 1 << bit
		}
	}
}
