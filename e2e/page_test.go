package e2e

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/e2e/lab"
	"github.com/pxe-pilot/pxe-pilot/internal/testenv"
	"github.com/pxe-pilot/pxe-pilot/internal/tftproot/layout"
)

// bootloaders is the page that says how loaders and DHCP servers are set up.
const bootloaders = "../docs/bootloaders.md"

// A block of a document stands between fences.
type block struct {
	line     int
	section  string // the heading above it
	language string
	text     string
}

// blocksOf finds the blocks of a document.
func blocksOf(t *testing.T, file string) []block {
	t.Helper()
	var all []block
	var open *block
	section := ""
	for i, line := range strings.Split(lab.Read(t, file), "\n") {
		language, fence := strings.CutPrefix(line, "```")
		switch {
		case fence && open == nil:
			open = &block{line: i + 1, section: section, language: language}
		case fence:
			all, open = append(all, *open), nil
		case open != nil:
			open.text += line + "\n"
		case strings.HasPrefix(line, "#"):
			section = strings.TrimLeft(line, "# ")
		}
	}
	if open != nil {
		t.Fatalf("%s:%d: the block has no end", file, open.line)
	}
	return all
}

// tableOf returns the rows of the table of a document that begins with a heading, cell
// by cell.
func tableOf(t *testing.T, file, heading string) [][]string {
	t.Helper()
	_, table, found := strings.Cut(lab.Read(t, file), "\n| "+heading+" |")
	if !found {
		t.Fatalf("%s has no table of %s", file, heading)
	}
	table, _, _ = strings.Cut(table, "\n\n")
	var rows [][]string
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(strings.Trim(line, "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	return rows
}

// quoted are the texts of a cell that are marked as such.
func quoted(cell string) []string {
	var all []string
	for _, found := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cell, -1) {
		all = append(all, found[1])
	}
	return all
}

// What the page shows is tested: each of its blocks by something.
func TestBootloadersPageIsTested(t *testing.T) {
	for _, b := range blocksOf(t, bootloaders) {
		switch b.language {
		case "console": // TestDocuments plays it, TestBootTheExample boots it
		case "ini", "json", "c": // TestDHCP...
			run := slices.Concat(everyLoader, []string{inFolders, besideAnother})
			if _, known := dhcpServers[dhcpFile(b)]; !known || !slices.Contains(run, b.section) {
				t.Errorf("%s:%d: nothing runs the configuration of %s", bootloaders, b.line, dhcpFile(b))
			}
		case "yaml": // TestPageYAML
		case "sh": // TestReplicasOfThePage
		case "grub", "ipxe": // TestPageScripts
		default:
			t.Errorf("%s:%d: no test knows a block of %q", bootloaders, b.line, b.language)
		}
	}
	told := tableOf(t, bootloaders, "here")
	for _, place := range places {
		if !slices.ContainsFunc(told, func(cells []string) bool { return cells[0] == "`"+place+"`" }) {
			t.Errorf("%s does not tell its readers to replace %s", bootloaders, place)
		}
	}
}

// The orders on the page are those by which hosts are explained.
func TestPageOrders(t *testing.T) {
	orders, sources := tableOf(t, bootloaders, "loader"), tableOf(t, bootloaders, "`kind`")
	for _, row := range layout.Table {
		kind := "`" + string(row.Kind) + "`"
		want := []string{kind, "its `link`", pageOrder(row), "wins"}
		if row.Link != "" {
			want[1] = "`" + row.Link + "`"
		}
		if row.Empty {
			want[3] = "counts as none"
		}
		if !slices.ContainsFunc(orders, func(cells []string) bool { return slices.Equal(cells[1:], want) }) {
			t.Errorf("%s has no row\n| ... | %s |", bootloaders, strings.Join(want, " | "))
		}
		if want := []string{kind, row.Source}; !slices.ContainsFunc(sources, func(cells []string) bool { return slices.Equal(cells, want) }) {
			t.Errorf("%s has no row\n| %s |", bootloaders, strings.Join(want, " | "))
		}
	}
}

// pageOrder is what a loader asks for, as the page says it.
func pageOrder(row layout.Row) string {
	var order strings.Builder
	for i, s := range row.Search {
		switch {
		case i > 0 && row.Search[i-1].Leads:
			order.WriteString(", and by the script in it ")
		case i > 0:
			order.WriteString(", ")
		}
		fmt.Fprintf(&order, "`%s`", s.Name)
		if s.If != "" {
			order.WriteString(" where " + s.If)
		}
		asksForLinks := func(s layout.Step) bool { return s.Name == path.Base(row.Link) }
		if s.Leads && slices.ContainsFunc(row.Search, asksForLinks) {
			break // it needs no script
		}
	}
	return order.String()
}

// The scripts on the page are those that "host explain" shows.
func TestPageScripts(t *testing.T) {
	for language, kind := range map[string]string{"grub": "grub-signed", "ipxe": "ipxe"} {
		l, err := layout.Compile(pxepilot.Bootloader{Name: kind})
		if err != nil {
			t.Fatal(err)
		}
		isOf := func(b block) bool { return b.language == language }
		blocks := blocksOf(t, bootloaders)
		i := slices.IndexFunc(blocks, isOf)
		if i < 0 || blocks[i].text != l.Script().Text || slices.ContainsFunc(blocks[i+1:], isOf) {
			t.Errorf("%s does not show, once, the script of %s:\n%s", bootloaders, kind, l.Script().Text)
		}
	}
}

// The pieces of configuration files on the page are right.
func TestPageYAML(t *testing.T) {
	for _, b := range blocksOf(t, bootloaders) {
		if b.language != "yaml" {
			continue
		}
		site := lab.NewSite(t)
		text := "hosts: [{name: h1, mac_addresses: [52:54:00:00:00:01], serial: 9ffefdef}]\n" + b.text
		for _, key := range []string{"tftp: {root: /srv/tftp}\n", "configuration: {directory: /srv/tftp/conf}\n"} {
			if name, _, _ := strings.Cut(key, " "); !strings.Contains(b.text, name) {
				text += key
			}
		}
		site.Describe(t, strings.ReplaceAll(text, "/srv/tftp", site.Root))
		lab.MakeDir(t, filepath.Join(site.Root, "conf"))
		stdout, stderr, _ := lab.Output(t, lab.Program(), "check", "-c", site.File)
		for line := range strings.Lines(stdout + stderr) {
			if strings.HasPrefix(line, "error: ") {
				t.Errorf("%s:%d: %s", bootloaders, b.line, line)
			}
		}
	}
}

// The copies of the TFTP root never have a link that leads to nothing, at no moment
// of what the page does after a switch, big as the files may be.
func TestReplicasOfThePage(t *testing.T) {
	testenv.Need(t, "rsync")
	blocks := blocksOf(t, bootloaders)
	i := slices.IndexFunc(blocks, func(b block) bool { return b.language == "sh" })
	master, copies := lab.Dir(t), lab.Dir(t)
	push := filepath.Join(lab.Dir(t), "push")
	lab.Write(t, push, strings.NewReplacer("/srv/tftp/ ", master+"/ ", "$replica:/srv/tftp/", copies+"/$replica/").Replace(blocks[i].text))
	if err := os.Chmod(push, 0o755); err != nil {
		t.Fatal(err)
	}
	// The folder of the configurations comes behind one of the folders of the links,
	// and before the others.
	links := map[string]string{"boot/grub/grub.cfg-01-x": "../../conf/grub", "ipxe/01-x": "../conf/ipxe", "pxelinux.cfg/01-x": "../conf/pxelinux"}
	deploy := func(name, old string) {
		for link, folder := range links {
			link := filepath.Join(master, link)
			folder := filepath.Join(filepath.Dir(link), folder)
			lab.Write(t, filepath.Join(folder, name), strings.Repeat(name, 4<<20))
			err := errors.Join(os.RemoveAll(link), os.RemoveAll(filepath.Join(folder, old)))
			if err != nil {
				t.Fatal(err)
			}
			lab.Link(t, filepath.Join(links[strings.TrimPrefix(link, master+"/")], name), link)
		}
		if out, err := exec.CommandContext(t.Context(), push).CombinedOutput(); err != nil || len(out) > 0 {
			t.Errorf("the push after the switch to %s: %v\n%s", name, err, out)
		}
	}
	deploy("old", "none")
	replicas, err := filepath.Glob(copies + "/*")
	if err != nil || len(replicas) < 2 {
		t.Fatalf("the replicas are %q (%v)", replicas, err)
	}

	done, reads := make(chan struct{}), 0
	var failed map[string]int
	var reader sync.WaitGroup
	reader.Go(func() { reads, failed = readAll(replicas, slices.Collect(maps.Keys(links)), done) })
	deploy("new", "old")
	close(done)
	reader.Wait()
	if reads < 100 || len(failed) > 0 {
		t.Errorf("of %d reads failed %v", reads, failed)
	}
	want := treeOf(t, master)
	for _, r := range replicas {
		if diff := cmp.Diff(want, treeOf(t, r)); diff != "" {
			t.Errorf("%s differs in the end:\n%s", r, diff)
		}
	}
}

// readAll opens files below several roots, over and over, and counts what fails.
func readAll(roots, names []string, done <-chan struct{}) (reads int, failed map[string]int) {
	failed = map[string]int{}
	for {
		for _, root := range roots {
			for _, name := range names {
				f, err := os.Open(filepath.Join(root, name))
				reads++
				if err != nil {
					failed[err.Error()]++
					continue
				}
				_ = f.Close() // nothing was written
			}
		}
		select {
		case <-done:
			return reads, failed
		default:
		}
	}
}

// treeOf is what is below a directory, without what a copy has otherwise.
func treeOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	tree := lab.Tree(t, dir)
	for name, what := range tree {
		tree[name] = inode.ReplaceAllString(what, "")
	}
	return tree
}

var inode = regexp.MustCompile(`^\S+ \d+`)
