package httpapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
	"github.com/pxe-pilot/pxe-pilot/internal/pilot"
)

// allFields are the fields of all bodies.
var allFields = fields{[]string{"hosts", "all", "dryRun", "skipRefused", "dropUncovered", "force", "allAtOnce"}, deployFields.host}

func TestPositions(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{`, `line 1, column 2: the body is not JSON: want the name of a field in quotes, found the end`},
		{`{"hosts"`, `line 1, column 9: the body is not JSON: want a ":", found the end`},
		{`{"hosts":`, `line 1, column 10: the body is not JSON: want an array, found the end`},
		{`{"hosts":[`, `line 1, column 11: the body is not JSON: want an object, found the end`},
		{`{"hosts":[{"name":"h`, `line 1, column 21: the body is not JSON: want a "\"", found the end`},
		{`{"hosts":[{"name":"h\`, `line 1, column 22: the body is not JSON: want a "\"", found the end`},
		{`{"hosts":[{"name":"h1"},]}`, `line 1, column 25: the body is not JSON: want an object, found ']'`},
		{`{"hosts":[{"name":"h1",}]}`, `line 1, column 24: the body is not JSON: want the name of a field in quotes, found '}'`},
		{`{'hosts':[]}`, `line 1, column 2: the body is not JSON: want the name of a field in quotes, found '\''`},
		{"{\r\n\t\"dryRun\": yes}", `line 2, column 12: the body is not JSON: want true or false, found 'y'`},
		{"{\"dryRun\": trueish}", `line 1, column 16: the body is not JSON: want a "," or a "}", found 'i'`},
		{"{\"é\":1}", `line 1, column 2: unknown field "é"; known here: hosts, all, dryRun, skipRefused, dropUncovered, force, allAtOnce`},
		{"{\"hosts\":[{\"name\":\"é\",\"nam\":1}]}", `line 1, column 23: unknown field "nam" of hosts[0]; did you mean name?`},
		{`{"hosts":[{"name":"\x"}]}`, `line 1, column 21: the string has an invalid escape`},
		{`{"hosts":[{"name":"ab\u12"}]}`, `line 1, column 26: the string has an invalid escape`},
		{"\ufeff{}", `line 1, column 1: the body is not JSON: want an object, found '\ufeff'`},
		{"\xff", `line 1, column 1: the body is not JSON: want an object, found the byte 0xff`},
		{"\x00", `line 1, column 1: the body is not JSON: want an object, found '\x00'`},
		{`{}` + "\x00", `line 1, column 3: the body is not JSON: want the end of the body, found '\x00'`},
		{`{"hosts":[[[[[`, `line 1, column 11: hosts[0] is an array; want an object`},
		{`{"hosts":-1}`, `line 1, column 10: hosts is a number; want an array`},
		{`{"hosts":[{"name":true}]}`, `line 1, column 19: hosts[0].name is a boolean; want a string`},
		{`null`, `line 1, column 1: the body is null; want an object, or leave it out`},
		{`{"a` + strings.Repeat("x", 500) + `":1}`, `line 1, column 2: unknown field "a` + strings.Repeat("x", 79) + `"...; known here: hosts, all, dryRun, skipRefused, dropUncovered, force, allAtOnce`},
	} {
		_, err := decodeChange([]byte(tt.body), allFields)
		if got := pxepilot.ErrorMessage(err); got != tt.want || pxepilot.ErrorCode(err) != pxepilot.Invalid {
			t.Errorf("%q:\ngot  %s (%s)\nwant %s", tt.body, got, pxepilot.ErrorCode(err), tt.want)
		}
	}
}

// Whatever encoding/json writes is read as it was meant.
func TestDecodeWhatEncodes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := apiv1.Change{
			All: rapid.Bool().Draw(t, "all"), DryRun: rapid.Bool().Draw(t, "dry"), SkipRefused: rapid.Bool().Draw(t, "skip"),
			DropUncovered: rapid.Bool().Draw(t, "drop"), Force: rapid.Bool().Draw(t, "force"), AllAtOnce: rapid.Bool().Draw(t, "at once"),
			Hosts: rapid.SliceOf(rapid.Custom(func(t *rapid.T) apiv1.HostRef {
				return apiv1.HostRef{Name: rapid.String().Draw(t, "name"), MACAddress: rapid.String().Draw(t, "mac"), Reboot: rapid.Bool().Draw(t, "reboot")}
			})).Draw(t, "hosts"),
		}
		text, err := json.Marshal(want)
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		if err := json.Indent(&indented, text, "", "\t"); err != nil {
			t.Fatal(err)
		}
		for _, body := range [][]byte{text, indented.Bytes()} {
			got, err := decodeChange(body, allFields)
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if diff := cmp.Diff(changeOf(want), got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s:\n%s", body, diff)
			}
		}
	})
}

func changeOf(c apiv1.Change) pilot.Change {
	p := pilot.Change{All: c.All, DryRun: c.DryRun, SkipRefused: c.SkipRefused, DropUncovered: c.DropUncovered, Force: c.Force, AllAtOnce: c.AllAtOnce}
	for _, h := range c.Hosts {
		p.Hosts = append(p.Hosts, pilot.HostRef{Name: h.Name, MAC: h.MACAddress, Reboot: h.Reboot})
	}
	return p
}

// What is taken is JSON, and means what encoding/json says. What is refused gets
// one line with a position.
func FuzzDecodeChange(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"hosts":[{"name":"h1"},{"mac_address":"83:06:0a:00:cf:03"}]}`, `{"hosts":[{"macAddress":"00"}],"dryRun":true}`,
		`{"all":true,"force":false} `, `{"hosts":[{"name":"h1","reboot":true}],"allAtOnce":true}`, `{"hosts":[{"name":"\ud83d\ude00\ud800\n"}]}`, "{\"hosts\":[{\"name\":\"\xff\"}]}", `[`, `{"hosts":[{"name":"a","name":"b"}]}`, `{"Hosts":[]}`, `nul`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		got, err := decodeChange(body, allFields)
		if err != nil {
			message := pxepilot.ErrorMessage(err)
			if code := pxepilot.ErrorCode(err); code != pxepilot.Invalid && code != pxepilot.Conflict {
				t.Errorf("%q: %s %v", body, code, err)
			}
			if len(message) > 400 || strings.ContainsAny(message, "\n\r\x00\x1b") {
				t.Errorf("%q: %q", body, message)
			}
			return
		}
		type host struct {
			Name   string `json:"name"`
			MAC    string `json:"mac_address"`
			MACto  string `json:"macAddress"`
			Reboot bool   `json:"reboot"`
		}
		var want struct {
			apiv1.Change
			Hosts []host `json:"hosts"`
		}
		dec := json.NewDecoder(bytes.NewReader(body))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("%q was taken, but: %v", body, err)
		}
		if _, err := dec.Token(); err != io.EOF {
			t.Fatalf("%q was taken, but more follows", body)
		}
		expect := changeOf(want.Change)
		for _, h := range want.Hosts {
			if h.MAC == "" {
				h.MAC = h.MACto
			}
			expect.Hosts = append(expect.Hosts, pilot.HostRef{Name: h.Name, MAC: h.MAC, Reboot: h.Reboot})
		}
		if diff := cmp.Diff(expect, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%q:\n%s", body, diff)
		}
	})
}

// largeBody names n hosts by name and MAC address.
func largeBody(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"hosts":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"name":"host-%05d","mac_address":"%s"}`, i, pxepilot.MAC{3: byte(i >> 16), 4: byte(i >> 8), 5: byte(i)})
	}
	b.WriteString("]}")
	return b.Bytes()
}

// The largest sites fit into one body.
func TestLargestBody(t *testing.T) {
	body := largeBody(100_000)
	if len(body) > maxBody {
		t.Fatalf("100,000 hosts are %d bytes", len(body))
	}
	c, err := decodeChange(body, deployFields)
	if err != nil || len(c.Hosts) != 100_000 {
		t.Fatalf("%d hosts, %v", len(c.Hosts), err)
	}
}

func BenchmarkDecodeChange(b *testing.B) {
	body := largeBody(10_000)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := decodeChange(body, deployFields); err != nil {
			b.Fatal(err)
		}
	}
}
