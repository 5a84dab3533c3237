package pxepilot_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestParseMAC(t *testing.T) {
	want := pxepilot.MAC{0x00, 0x1a, 0x2b, 0x3c, 0x4d, 0x5e}
	for _, s := range []string{
		"00:1a:2b:3c:4d:5e", "00-1a-2b-3c-4d-5e", "00.1a.2b.3c.4d.5e", "001a2b3c4d5e",
		"00:1A:2B:3C:4D:5E", "00-1A-2B-3C-4D-5E", "001A2B3C4D5E", "00:1a:2B:3c:4D:5e",
		"001a.2b3c.4d5e", "001A.2B3C.4D5E", "001a:2b3c:4d5e", "001a-2b3c-4d5e",
	} {
		if got, err := pxepilot.ParseMAC(s); err != nil || got != want {
			t.Errorf("ParseMAC(%q) = %v, %v", s, got, err)
		}
	}
	for _, s := range []string{
		"", "0", "h1", "00:1a:2b:3c:4d", "00:1a:2b:3c:4d:5e:6f", "00:1a:2b:3c:4d:5g", "00:1a-2b:3c-4d:5e",
		":001a2b3c4d5e", "001a2b3c4d5e:", "00:1a:2b:3c:4d:", "0:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d5:e", "001a2b3c4d5",
		"001a2b3c4d5e6f", "001a.2b3c4d5e", "001.a2b.3c4.d5e", "00 1a 2b 3c 4d 5e", " 00:1a:2b:3c:4d:5e", "0x1a2b3c4d5e",
		"００:1a:2b:3c:4d:5e", "00:1a:2b:3c:4d:5e\n", strings.Repeat("00:", 5000) + "00",
	} {
		got, err := pxepilot.ParseMAC(s)
		if err == nil {
			t.Errorf("ParseMAC(%q) = %v, want an error", s, got)
			continue
		}
		if got != (pxepilot.MAC{}) {
			t.Errorf("ParseMAC(%q) gives %v beside its error", s, got)
		}
		if m := err.Error(); !strings.HasPrefix(m, pxepilot.Quote(s)+" is not a MAC address") || strings.Contains(m, "\n") || len(m) > 300 {
			t.Errorf("ParseMAC(%q) says %q", s, m)
		}
	}
}

func TestMACForms(t *testing.T) {
	m := pxepilot.MAC{0x52, 0x54, 0x00, 0xAB, 0x0C, 0xFF}
	got := []string{m.String(), m.Dashed(), m.Bare(), fmt.Sprint(m)}
	want := []string{"52:54:00:ab:0c:ff", "52-54-00-ab-0c-ff", "525400ab0cff", "52:54:00:ab:0c:ff"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if m.IsZero() || !(pxepilot.MAC{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestMACText(t *testing.T) {
	type wire struct {
		MAC   pxepilot.MAC
		Hosts map[pxepilot.MAC]string
	}
	m := pxepilot.MAC{1, 2, 3, 4, 5, 6}
	const text = `{"MAC":"01:02:03:04:05:06","Hosts":{"01:02:03:04:05:06":"h1"}}`
	data, err := json.Marshal(wire{m, map[pxepilot.MAC]string{m: "h1"}})
	if err != nil || string(data) != text {
		t.Fatalf("%s, %v", data, err)
	}
	var back wire
	if err := json.Unmarshal(data, &back); err != nil || back.MAC != m || back.Hosts[m] != "h1" {
		t.Errorf("%+v, %v", back, err)
	}
	back.MAC = m
	if err := json.Unmarshal([]byte(`{"MAC":"01:02"}`), &back); err == nil || back.MAC != m {
		t.Errorf("a bad address: %v, and left is %v", err, back.MAC)
	}
}

func macs() *rapid.Generator[pxepilot.MAC] {
	return rapid.Custom(func(t *rapid.T) pxepilot.MAC {
		return pxepilot.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac"))
	})
}

// spelling writes m in any of the ways that people do.
func spelling(t *rapid.T, m pxepilot.MAC) string {
	bare := []rune(m.Bare())
	size := rapid.SampledFrom([]int{2, 4, 12}).Draw(t, "digits of a group")
	sep := rapid.SampledFrom([]string{":", "-", "."}).Draw(t, "separator")
	var b strings.Builder
	for i, r := range bare {
		if i > 0 && i%size == 0 {
			b.WriteString(sep)
		}
		if rapid.Bool().Draw(t, "upper") {
			b.WriteString(strings.ToUpper(string(r)))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func TestMACRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := macs().Draw(t, "m")
		s := spelling(t, m)
		if got, err := pxepilot.ParseMAC(s); err != nil || got != m {
			t.Fatalf("ParseMAC(%q) = %v, %v; want %v", s, got, err, m)
		}
	})
}

func FuzzParseMAC(f *testing.F) {
	for _, s := range []string{"00:1a:2b:3c:4d:5e", "001a.2b3c.4d5e", "001A2B3C4D5E", "00-1a:2b", "::::::", "00:1a:2b:3c:4d:5é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		m, err := pxepilot.ParseMAC(s)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		digits := strings.NewReplacer(":", "", "-", "", ".", "").Replace(s)
		if strings.ToLower(digits) != m.Bare() {
			t.Errorf("ParseMAC(%q) = %v", s, m)
		}
		for _, form := range []string{m.String(), m.Dashed(), m.Bare()} {
			if again, err := pxepilot.ParseMAC(form); err != nil || again != m {
				t.Errorf("ParseMAC(%q) = %v, %v; want %v", form, again, err, m)
			}
		}
	})
}
