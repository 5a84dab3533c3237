package layout

import (
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
)

func TestParse(t *testing.T) {
	for _, s := range []string{
		"{mac}", "{name}", "01-{mac}", "a/b/c/{uuid}.cfg", "{name}{serial}", "{mac:bare}", "x-{mac:colon}-y", "a b/{mac}", ".hidden/{mac}", ".{mac}",
	} {
		got, err := parse(s)
		if err != nil || got.String() != s || got.dir != path.Dir(s) {
			t.Errorf("parse(%q) = %q in %q, %v", s, got, got.dir, err)
		}
	}
	const places = "{mac}, {mac:colon}, {mac:bare}, {uuid}, {serial}, {name}"
	const plain = `must be a plain path below the TFTP root, without a leading slash and ".."`
	for _, tt := range []struct{ s, want string }{
		{"", "is empty"},
		{"/pxelinux.cfg/{mac}", plain},
		{"../{mac}", plain},
		{"..", plain},
		{"a/../{mac}", plain},
		{"a//{mac}", plain},
		{"./{mac}", plain},
		{"{mac}/", plain},
		{"{mac}/x", "may have placeholders in its last component only"},
		{"a{b/{mac}", "may have placeholders in its last component only"},
		{"a/{mac/x}", "may have placeholders in its last component only"},
		{"pxelinux.cfg/default", "has no placeholder, so that all hosts would share it (want one of " + places + ")"},
		{".", "has no placeholder, so that all hosts would share it (want one of " + places + ")"},
		{"01-{mac", `has a "{" without a "}"`},
		{"01-mac}", `has a "}" without a "{"`},
		{"01-{mac}}", `has a "}" without a "{"`},
		{"01-{{mac}}", `has an unknown placeholder "{{mac}" (want ` + places + "); did you mean mac?"},
		{"01-{MAC}", `has an unknown placeholder "{MAC}" (want ` + places + "); did you mean mac or mac:bare or mac:colon?"},
		{"01-{seril}", `has an unknown placeholder "{seril}" (want ` + places + "); did you mean serial?"},
		{"01-{}", `has an unknown placeholder "{}" (want ` + places + ")"},
		{"01-{\x1b}", `has an unknown placeholder "{\x1b}" (want ` + places + ")"},
		{".pxe-pilot.{mac}", "begins like a temporary name"},
		{".pxe-pilot.x/{mac}", `has a bad directory: ".pxe-pilot.x" begins like a temporary name`},
		{"a\n/{mac}", `has a bad directory: the name "a\n" begins or ends with space`},
		{"a\x00b/{mac}", `has a bad directory: the name "a\x00b" contains a control character`},
		{"{mac}\n", `is not a file name: the name "mac\n" begins or ends with space`},
		{"a\x00{mac}", `is not a file name: the name "a\x00mac" contains a control character`},
		{"\xff{mac}", `is not a file name: the name "\xffmac" is not UTF-8`},
	} {
		want := "the link " + pxepilot.Quote(tt.s) + " " + tt.want
		if got, err := parse(tt.s); err == nil || err.Error() != want {
			t.Errorf("parse(%q) = %v, %v\nwant %s", tt.s, got, err, want)
		}
	}
}

func TestPlaceholdersFitTheirForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := anyHost().Draw(t, "host")
		for _, p := range placeholders {
			tm, err := parse("x-{" + p.name + "}-y")
			if err != nil {
				t.Fatal(err)
			}
			base, err := tm.expand(h, h.MACs[0])
			if err != nil {
				t.Fatal(err)
			}
			if !tm.match.MatchString(base) {
				t.Fatalf("{%s} became %q, which does not match %s", p.name, base, tm.match)
			}
			if tm.perMAC() != strings.HasPrefix(p.name, "mac") {
				t.Fatalf("{%s} is per MAC address: %t", p.name, tm.perMAC())
			}
		}
	})
}

func anyHost() *rapid.Generator[*pxepilot.Host] {
	name := rapid.String().Filter(func(s string) bool { return pxepilot.CheckName(s) == nil && len(s) < 64 })
	return rapid.Custom(func(t *rapid.T) *pxepilot.Host {
		return &pxepilot.Host{
			Name:   name.Draw(t, "name"),
			MACs:   []pxepilot.MAC{pxepilot.MAC(rapid.SliceOfN(rapid.Byte(), 6, 6).Draw(t, "mac"))},
			Serial: name.Draw(t, "serial"),
			UUID:   pxepilot.UUID(append(rapid.SliceOfN(rapid.Byte(), 15, 15).Draw(t, "uuid"), 1)),
		}
	})
}

// Whatever template passes: the links that it gives are file names in its own
// directory, below the root, different for each MAC address that it tells apart.
func FuzzTemplate(f *testing.F) {
	for _, s := range []string{
		"{mac}", "pxelinux.cfg/01-{mac}", "a/b/{uuid}.cfg", "{name}{serial}", "../{mac}", "/{mac}", "a/{mac}/b", "{mac:colon}", "{", "}{",
		".pxe-pilot.{mac}", ".{name}", "\xff{mac}", "{name}.", "a/..{mac}", "{mac}[", "(?i){mac}\\",
	} {
		f.Add(s, "web1", "d126b1f0")
	}
	f.Add(".{name}", "pxe-pilot.1", ".")
	f.Fuzz(func(t *testing.T, s, name, serial string) {
		l, err := Compile(pxepilot.Bootloader{Name: "x", Links: []string{s}})
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		if diff := cmp.Diff([]string{s}, l.Templates()); diff != "" {
			t.Errorf("not as it was written: %s", diff)
		}
		h := &pxepilot.Host{Name: name, Serial: serial, UUID: pxepilot.UUID{15: 1}, MACs: []pxepilot.MAC{{5: 1}, {0xff, 5: 2}}}
		if pxepilot.CheckName(name) != nil {
			return
		}
		names, err := l.Names(h)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r\x1b") {
				t.Errorf("more than one line: %q", err)
			}
			return
		}
		for _, n := range names {
			if path.Dir(n.Path()) != path.Dir(s) || path.Base(n.Path()) != n.Base || path.IsAbs(n.Path()) || strings.HasPrefix(n.Path(), "../") {
				t.Errorf("%q gives the link %q", s, n.Path())
			}
			if err := pxepilot.CheckName(TempName(strings.Repeat("t", TxLen), n.Base)); err != nil {
				t.Errorf("the temporary name of %q: %v", n.Path(), err)
			}
			if strings.HasPrefix(n.Base, TempPrefix) {
				t.Errorf("%q is like a temporary name", n.Base)
			}
			if !l.Reserved(n.Base) {
				t.Errorf("the link %q passes for a configuration", n.Base)
			}
		}
	})
}
