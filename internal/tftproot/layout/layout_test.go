package layout_test

import (
	"fmt"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

var (
	mac1 = pxepilot.MAC{0x52, 0x54, 0x00, 0xAB, 0xCD, 0x01}
	mac2 = pxepilot.MAC{0x52, 0x54, 0x00, 0xAB, 0xCD, 0x02}
	uuid = pxepilot.UUID{0x44, 0x33, 0x22, 0x11, 0x66, 0x55, 0x88, 0x77, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff}
	host = &pxepilot.Host{Name: "web1", MACs: []pxepilot.MAC{mac1, mac2}, UUID: uuid, Serial: "d126b1f0"}
)

func compile(t *testing.T, b pxepilot.Bootloader) layout.Loader {
	t.Helper()
	l, err := layout.Compile(b)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func paths(t *testing.T, l layout.Loader, h *pxepilot.Host) []string {
	t.Helper()
	names, err := l.Names(h)
	if err != nil {
		t.Fatal(err)
	}
	list := make([]string, len(names))
	for i, n := range names {
		list[i] = n.Path()
	}
	return list
}

func TestTable(t *testing.T) {
	want := map[pxepilot.Kind][]string{
		"pxelinux":    {"pxelinux.cfg/01-52-54-00-ab-cd-01", "pxelinux.cfg/01-52-54-00-ab-cd-02"},
		"syslinux":    {"pxelinux.cfg/01-52-54-00-ab-cd-01", "pxelinux.cfg/01-52-54-00-ab-cd-02"},
		"uboot":       {"pxelinux.cfg/01-52-54-00-ab-cd-01", "pxelinux.cfg/01-52-54-00-ab-cd-02"},
		"grub":        {"boot/grub/grub.cfg-01-52-54-00-ab-cd-01", "boot/grub/grub.cfg-01-52-54-00-ab-cd-02"},
		"grub-signed": {"grub/host/01-52-54-00-ab-cd-01", "grub/host/01-52-54-00-ab-cd-02"},
		"ipxe":        {"ipxe/01-52-54-00-ab-cd-01.ipxe", "ipxe/01-52-54-00-ab-cd-02.ipxe"},
	}
	got := map[pxepilot.Kind][]string{}
	for _, row := range layout.Table {
		if row.Link == "" {
			continue
		}
		byName := compile(t, pxepilot.Bootloader{Name: string(row.Kind)})
		byKind := compile(t, pxepilot.Bootloader{Name: "anything", Kind: row.Kind})
		got[row.Kind] = paths(t, byName, host)
		if diff := cmp.Diff(got[row.Kind], paths(t, byKind, host)); diff != "" {
			t.Errorf("%s by name and by kind differ: %s", row.Kind, diff)
		}
		if dirs := byName.Dirs(); len(dirs) != 1 || dirs[0] != path.Dir(row.Link) || byName.Directory {
			t.Errorf("%s is in %v", row.Kind, dirs)
		}
		if diff := cmp.Diff([]string{row.Link}, byName.Templates()); diff != "" {
			t.Errorf("%s: %s", row.Kind, diff)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := layout.Compile(pxepilot.Bootloader{Name: layout.Default}); err != nil {
		t.Errorf("the default loader: %v", err)
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct {
		links []string
		want  []layout.Name
	}{
		{[]string{"{mac}"}, []layout.Name{{".", "52-54-00-ab-cd-01", mac1}, {".", "52-54-00-ab-cd-02", mac2}}},
		{[]string{"a/b/{mac:colon}.cfg"}, []layout.Name{{"a/b", "52:54:00:ab:cd:01.cfg", mac1}, {"a/b", "52:54:00:ab:cd:02.cfg", mac2}}},
		{[]string{"x/{mac:bare}"}, []layout.Name{{"x", "525400abcd01", mac1}, {"x", "525400abcd02", mac2}}},
		// What is not named after a MAC address stands once.
		{[]string{"{serial}"}, []layout.Name{{".", "d126b1f0", pxepilot.MAC{}}}},
		{[]string{"pxelinux.cfg/{uuid}"}, []layout.Name{{"pxelinux.cfg", "44332211-6655-8877-99aa-bbccddeeff00", pxepilot.MAC{}}}},
		{[]string{"h/{name}-{serial}.cfg"}, []layout.Name{{"h", "web1-d126b1f0.cfg", pxepilot.MAC{}}}},
		{[]string{"h/{name}-{mac:bare}"}, []layout.Name{{"h", "web1-525400abcd01", mac1}, {"h", "web1-525400abcd02", mac2}}},
		// Foreman's GRUB reads two names. The first of all leads the others.
		{[]string{"grub2/grub.cfg-01-{mac}", "grub2/grub.cfg-{mac:colon}"}, []layout.Name{
			{"grub2", "grub.cfg-01-52-54-00-ab-cd-01", mac1}, {"grub2", "grub.cfg-52:54:00:ab:cd:01", mac1},
			{"grub2", "grub.cfg-01-52-54-00-ab-cd-02", mac2}, {"grub2", "grub.cfg-52:54:00:ab:cd:02", mac2},
		}},
		{[]string{"a/{uuid}", "b/01-{mac}"}, []layout.Name{
			{"a", "44332211-6655-8877-99aa-bbccddeeff00", pxepilot.MAC{}},
			{"b", "01-52-54-00-ab-cd-01", mac1}, {"b", "01-52-54-00-ab-cd-02", mac2},
		}},
	} {
		l := compile(t, pxepilot.Bootloader{Name: "x", Links: tt.links})
		got, err := l.Names(host)
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%v: %v\n%s", tt.links, err, diff)
		}
		if diff := cmp.Diff(tt.links, l.Templates()); diff != "" {
			t.Errorf("Templates: %s", diff)
		}
	}
}

func TestNamesRefuses(t *testing.T) {
	bare := func(name string) *pxepilot.Host { return &pxepilot.Host{Name: name, MACs: []pxepilot.MAC{mac1}} }
	serial := func(s string) *pxepilot.Host {
		return &pxepilot.Host{Name: "h1", Serial: s, MACs: []pxepilot.MAC{mac1}}
	}
	const lacks = ", which the link is named after; add it, or list the host's bootloaders without this one"
	for _, tt := range []struct {
		links []string
		host  *pxepilot.Host
		want  string
	}{
		{[]string{"{uuid}"}, bare("h1"), `host "h1" has no uuid` + lacks},
		{[]string{"{serial}"}, bare("h1"), `host "h1" has no serial` + lacks},
		{[]string{"{serial}"}, serial("../x"), `host "h1": its serial number cannot be part of a file name: the name "../x" contains a slash`},
		{[]string{"{serial}"}, serial(".."), `host "h1": its serial number cannot be part of a file name: the name ".." is a directory's`},
		{[]string{"{name}"}, bare(".pxe-pilot.x"), `host ".pxe-pilot.x": the link ".pxe-pilot.x" would begin like a temporary name (.pxe-pilot.)`},
		{[]string{".{name}"}, bare("pxe-pilot.x"), `host "pxe-pilot.x": the link ".pxe-pilot.x" would begin like a temporary name (.pxe-pilot.)`},
		{[]string{"{name}-{mac}"}, bare(strings.Repeat("n", 220)),
			`host "` + strings.Repeat("n", 80) + `"...: the link "` + strings.Repeat("n", 80) + `"... would be longer than 235 bytes`},
		{[]string{"a/{mac:bare}", "a/{name}"}, bare("525400abcd01"), `host "525400abcd01": two of its link templates give the same link "a/525400abcd01"`},
	} {
		names, err := compile(t, pxepilot.Bootloader{Name: "x", Links: tt.links}).Names(tt.host)
		if names != nil || err == nil || err.Error() != tt.want {
			t.Errorf("%v of %s: %v, want %s", tt.links, pxepilot.Quote(tt.host.Name), err, tt.want)
		}
	}
	// Directories of their own keep equal names apart.
	if got := paths(t, compile(t, pxepilot.Bootloader{Name: "x", Links: []string{"a/{mac:bare}", "b/{name}"}}), bare("525400abcd01")); len(got) != 2 {
		t.Errorf("%v", got)
	}
}

func TestCompileRefuses(t *testing.T) {
	const kinds = "pxelinux, syslinux, uboot, grub, grub-signed, ipxe"
	for _, tt := range []struct {
		loader pxepilot.Bootloader
		want   string
	}{
		{pxepilot.Bootloader{Name: "mine"}, `bootloader "mine" needs a kind (` + kinds + `, directory) or a link`},
		{pxepilot.Bootloader{Name: "pxelinx"}, `bootloader "pxelinx" needs a kind (` + kinds + `, directory) or a link; did you mean pxelinux?`},
		{pxepilot.Bootloader{Name: "grub", Kind: "gurb"}, `unknown kind "gurb" (want ` + kinds + ` or directory); did you mean grub?`},
		{pxepilot.Bootloader{Name: "x", Kind: "gurb", Links: []string{"{mac}"}}, `unknown kind "gurb" (want ` + kinds + ` or directory); did you mean grub?`},
		{pxepilot.Bootloader{Name: "rpi", Kind: "directroy"}, `unknown kind "directroy" (want ` + kinds + ` or directory); did you mean directory?`},
		{pxepilot.Bootloader{Name: "rpi", Kind: pxepilot.Directory}, `bootloader "rpi" of kind directory needs a link, such as "{serial}" or "{mac}"`},
		{pxepilot.Bootloader{Name: "grub", Kind: pxepilot.Directory}, `bootloader "grub" of kind directory needs a link, such as "{serial}" or "{mac}"`},
		{pxepilot.Bootloader{Name: "x", Links: []string{"a/{mac}", "b/{mac}", "a/{mac}"}}, `the link "a/{mac}" stands twice`},
	} {
		if _, err := layout.Compile(tt.loader); err == nil || err.Error() != tt.want {
			t.Errorf("%+v: %v, want %s", tt.loader, err, tt.want)
		}
	}
}

func TestDirectory(t *testing.T) {
	l := compile(t, pxepilot.Bootloader{Name: "rpi", Kind: pxepilot.Directory, Links: []string{"{serial}", "{mac}"}})
	if !l.Directory || l.Name != "rpi" {
		t.Errorf("%+v", l)
	}
	if diff := cmp.Diff([]string{"."}, l.Dirs()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"d126b1f0", "52-54-00-ab-cd-01", "52-54-00-ab-cd-02"}, paths(t, l, host)); diff != "" {
		t.Error(diff)
	}
}

func TestCounts(t *testing.T) {
	l := compile(t, pxepilot.Bootloader{Name: "grub"})
	for _, tt := range []struct {
		only []string
		want bool
	}{{nil, true}, {[]string{"grub"}, true}, {[]string{"ipxe", "grub"}, true}, {[]string{"ipxe"}, false}, {[]string{"GRUB"}, false}} {
		if got := l.Counts(&pxepilot.Host{Bootloaders: tt.only}); got != tt.want {
			t.Errorf("a host with %v: %t, want %t", tt.only, got, tt.want)
		}
	}
}

func TestTemporaryNamesFit(t *testing.T) {
	tx := strings.Repeat("t", layout.TxLen)
	name := layout.TempName(tx, strings.Repeat("b", layout.MaxBase))
	if err := pxepilot.CheckName(name); err != nil || len(name) != pxepilot.MaxName {
		t.Errorf("%d bytes: %v", len(name), err)
	}
	kept := strings.Repeat("b", layout.MaxBase) + fmt.Sprint(layout.KeepMark, 9999999999, "-", layout.MaxKept)
	if err := pxepilot.CheckName(kept); err != nil {
		t.Errorf("the name of a file that was put aside: %v", err)
	}
	if got, want := layout.TempName("0a1b2c3d", "01-x"), ".pxe-pilot.0a1b2c3d.01-x"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestReserved(t *testing.T) {
	l := compile(t, pxepilot.Bootloader{Name: "x", Links: []string{"pxelinux.cfg/host-{mac:colon}.cfg"}})
	for _, name := range []string{
		"default", "default-arm", "default-arm-zynq", "default-x86",
		"01-52-54-00-ab-cd-01", "01-52-54-00-AB-CD-01",
		"0A6300B9", "0A6300B", "0A63", "0", "C0A8",
		"44332211-6655-8877-99aa-bbccddeeff00", "44332211-6655-8877-99AA-BBCCDDEEFF00",
		"grub.cfg", "grub.cfg-01-52-54-00-ab-cd-01", "grub.cfg-0A6300B9", "grub.cfg-0",
		"host-52:54:00:ab:cd:01.cfg", "host-52:54:00:AB:CD:01.cfg",
	} {
		if !l.Reserved(name) {
			t.Errorf("%s is asked for by a loader, but passes for a configuration", name)
		}
	}
	for _, name := range []string{
		"local", "ubuntu-16.04", "default.old", "default-install", "my-default", "defaults",
		"01-52-54-00-ab-cd", "01-52-54-00-ab-cd-01.cfg", "01-52:54:00:ab:cd:01", "0a6300b9", "0A6300B9A",
		"x44332211-6655-8877-99aa-bbccddeeff00", "grub.cfg-install", "host-52-54-00-ab-cd-01.cfg", "xhost-52:54:00:ab:cd:01.cfg",
	} {
		if l.Reserved(name) {
			t.Errorf("%s is a configuration, but is taken for a loader's name", name)
		}
	}
}

func TestEveryLinkIsReserved(t *testing.T) {
	for _, row := range layout.Table {
		if row.Link == "" {
			continue
		}
		l := compile(t, pxepilot.Bootloader{Name: string(row.Kind)})
		for _, p := range paths(t, l, host) {
			if !l.Reserved(path.Base(p)) {
				t.Errorf("%s: the link %s passes for a configuration", row.Kind, p)
			}
		}
	}
}

func TestRelative(t *testing.T) {
	for _, tt := range []struct{ dir, target, want string }{
		{".", "conf/local", "conf/local"},
		{"pxelinux.cfg", "pxelinux.cfg/conf/local", "conf/local"},
		{"pxelinux.cfg", "pxelinux.cfg/01-00-00-00-00-00-03", "01-00-00-00-00-00-03"},
		{"boot/grub", "conf/grub/local", "../../conf/grub/local"},
		{"boot/grub", "boot/conf/local", "../conf/local"},
		{"boot/grub", "boot/grub", "../grub"},
		{"a/b", "a", "../../a"},
		{"a", "ab/c", "../ab/c"},
	} {
		if got := layout.Relative(tt.dir, tt.target); got != tt.want {
			t.Errorf("Relative(%q, %q) = %q, want %q", tt.dir, tt.target, got, tt.want)
		}
	}
}

func TestRelativeProperty(t *testing.T) {
	// Few names, so that directories share beginnings.
	component := rapid.SampledFrom([]string{"a", "b", "ab", "...", "conf"})
	components := func(least int) *rapid.Generator[[]string] { return rapid.SliceOfN(component, least, 5) }
	rapid.Check(t, func(t *rapid.T) {
		dir := path.Join(append([]string{"."}, components(0).Draw(t, "dir")...)...)
		target := path.Join(components(1).Draw(t, "target")...)
		got := layout.Relative(dir, target)
		if filepath.IsAbs(got) || got == "" {
			t.Fatalf("Relative(%q, %q) = %q", dir, target, got)
		}
		if back := filepath.Join(dir, got); back != target {
			t.Fatalf("Relative(%q, %q) = %q, which leads to %q", dir, target, got, back)
		}
		// It never goes higher than it must: never above the root.
		depth, up := 0, strings.Count("/"+got, "/../")
		if dir != "." {
			depth = strings.Count(dir, "/") + 1
		}
		if up > depth {
			t.Fatalf("Relative(%q, %q) = %q climbs out of the root", dir, target, got)
		}
	})
}
