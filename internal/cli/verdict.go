package cli

import (
	"cmp"
	"fmt"

	"github.com/pxe-pilot/pxe-pilot"
	"github.com/pxe-pilot/pxe-pilot/apiv1"
)

// verdict is an explanation in a sentence or two.
func verdict(e *apiv1.Explanation) string {
	if len(e.Searches) == 0 {
		return fmt.Sprintf("Nothing tells what %s boots: no bootloader counts for it.", e.Name)
	}
	var seen seen
	for i := range e.Searches {
		seen.add(&e.Searches[i])
	}
	deployed := e.Configuration
	switch {
	case deployed == nil && e.State == string(pxepilot.None):
		return fmt.Sprintf("Nothing is deployed to %s. %s", e.Name, seen.sum())
	case deployed == nil:
		why := cmp.Or(meaning[pxepilot.State(e.State)], "its links are "+e.State)
		return fmt.Sprintf("%s does NOT boot as deployed: %s. %s", e.Name, why, seen.sum())
	case e.AsDeployed && seen.verified:
		return fmt.Sprintf("%s boots %s, as deployed: every TFTP server gives just that.", e.Name, deployed.Name)
	case e.AsDeployed && seen.chroot:
		return fmt.Sprintf("%s boots %s, as deployed, but NOT from a TFTP server in a chroot.", e.Name, deployed.Name)
	case e.AsDeployed:
		return fmt.Sprintf("%s boots %s, as deployed.", e.Name, deployed.Name)
	}
	if seen.only(deployed.Name) && seen.unsure && !seen.unserved {
		return fmt.Sprintf("%s may NOT boot %s, which was deployed.", e.Name, deployed.Name)
	}
	not := fmt.Sprintf("%s will NOT boot %s, which was deployed", e.Name, deployed.Name)
	switch {
	case !seen.only(deployed.Name):
		return not + ". " + seen.sum()
	case seen.unasked && !seen.unserved:
		return fmt.Sprintf("%s boots %s, as deployed, as far as the disk tells, but that could NOT be verified: a TFTP server could not be asked.", e.Name, deployed.Name)
	case seen.unserved:
		return not + ": not every TFTP server gives it."
	}
	return not + "."
}

// seen is what the searches of a host come to.
type seen struct {
	prizes, loaders, cards set
	verified               bool // TFTP servers were asked
	unserved               bool // one of them gives something else than the disk has
	unasked                bool // one of them could not be asked
	unsure                 bool // it may be another one, by what is not known
	chroot                 bool // a server in a chroot gives something else
}

type set map[string]bool

func (s *set) add(what string) {
	if *s == nil {
		*s = set{}
	}
	(*s)[what] = true
}

func (n *seen) add(s *apiv1.Search) {
	n.prizes.add(prize(s))
	n.loaders.add(s.Bootloader)
	n.cards.add(s.MACAddress)
	n.unsure = n.unsure || s.Unsure
	n.chroot = n.chroot || s.InChroot != nil
	for _, v := range s.Servers {
		n.verified = true
		n.unasked = n.unasked || v.Problem != ""
		n.unserved = n.unserved || !v.Served && v.Problem == ""
	}
}

// only says whether every search ends at that.
func (n *seen) only(prize string) bool { return len(n.prizes) == 1 && n.prizes[prize] }

// sum is what the host gets.
func (n *seen) sum() string {
	switch {
	case len(n.prizes) == 1:
		for prize := range n.prizes {
			return "It gets " + prize + "."
		}
	case len(n.loaders) == 1:
		return "What it gets depends on the network card."
	case len(n.cards) == 1:
		return "What it gets depends on the loader."
	}
	return "What it gets depends on the loader and the network card."
}

// prize is what a search ends at, in a word.
func prize(s *apiv1.Search) string {
	switch {
	case s.Configuration != "":
		return s.Configuration
	case s.Wins != "":
		return s.Wins
	}
	return "nothing"
}
