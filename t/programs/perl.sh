# t/programs/perl.sh - hashes, regular expressions, sorting and threads of Perl.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need perl
plan 4

cat >"$in/work.pl" <<'END'
use strict; use warnings;
my $n = shift;
my ($seed, %seen, @words) = (42);
sub rnd { $seed = ($seed * 1103515245 + 12345) & 0x7fffffff; $seed % $_[0] }
for my $i (1 .. $n) {
    my $w = join '', map { chr 97 + rnd(26) } 1 .. 2 + rnd(30);
    push @words, $w;
    $seen{substr $w, 0, 3}{length $w} .= "$i,";
    delete $seen{substr $words[rnd(scalar @words)], 0, 3} if $i % 5 == 0;
}
my $text = join ' ', @words;
my $vowels = () = $text =~ /\b[aeiou]\w*?([^aeiou]{3,})\w*\b/g;
(my $changed = $text) =~ s/(\w)(\w+)/$2$1/g;
my %count; $count{$_}++ for split //, $changed;
print "$vowels ", length $changed, "\n";
print map { "$_ $count{$_}\n" } sort { $count{$a} <=> $count{$b} || $a cmp $b } keys %count;
print map { "$_ " . join('|', map { "$_=" . length $seen{$a // ''}{$_} // '' } ()) . keys(%{$seen{$_}}) . "\n" }
    grep { /^a/ } sort keys %seen;
print join(' ', (sort { length $a <=> length $b || $a cmp $b } @words)[0 .. 50]), "\n";
my $tree; for my $w (@words) { my $p = \$tree; $p = \$$p->{$_} for split //, $w; $$p->{end}++ }
sub depth { my $t = shift; ref $t ? 1 + (sort { $b <=> $a } map { depth($t->{$_}) } keys %$t)[0] : 0 }
print depth($tree), "\n";
END

cat >"$in/threads.pl" <<'END'
use strict; use warnings;
use threads; use threads::shared;
my $n = shift;
my %shared : shared;
my @t = map { my $id = $_; threads->create(sub {
    my @own; my $s = $id;
    for my $i (1 .. $n) {
        $s = ($s * 1103515245 + 12345) & 0x7fffffff;
        push @own, 'x' x ($s % 700);
        shift @own if @own > 300;
        if ($i % 100 == 0) { lock %shared; $shared{"$id.$i"} = $own[-1] }
    }
    my $sum = 0; $sum += length for @own;
    return $sum;
}) } 1 .. 4;
print $_->join, "\n" for @t;
print "$_ ", length $shared{$_}, "\n" for sort keys %shared;
END

uses perl perl -e 'my %h = map { $_ => "x" x $_ } 1 .. 2000; print length $h{1999}'
same 'words, hashes, regular expressions, sorting' PERL_HASH_SEED=0 perl "$in/work.pl" "$(amount 60000)"
same 'a large string grown by and by' \
    perl -e 'my $s = ""; $s .= "line $_\n" x 3 for 1 .. $ARGV[0]; print length $s, " ", unpack("%32C*", $s), "\n"' \
    "$(amount 400000)"
if perl -Mthreads -e 1 2>/dev/null; then
    same 'four threads and a shared hash' perl "$in/threads.pl" "$(amount 40000)"
else
    skip 'four threads and a shared hash' 'perl has no threads'
fi
