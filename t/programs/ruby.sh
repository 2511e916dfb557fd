# t/programs/ruby.sh - strings, hashes, threads and the collector of Ruby.
# SPDX-License-Identifier: MIT
. "$top_srcdir/t/programs/common.sh"

need ruby
plan 2

cat >"$in/work.rb" <<'END'
n = Integer(ARGV[0])
seed = 1
rnd = ->(m) { seed = (seed * 16807) % 2147483647; seed % m }
table = Hash.new { |h, k| h[k] = [] }
n.times do |i|
  table["k#{rnd[3000]}"] << ("x" * rnd[300])
  table.delete("k#{rnd[3000]}") if i % 9 == 0
  GC.start if i % (n / 4 + 1) == 1
end
text = table.sort.map { |k, v| "#{k}:#{v.map(&:length).join(',')}" }.join(' ')
puts text.length, text.scan(/\d+/).map(&:to_i).sum, text.gsub(/1(\d)/) { "<#{$1}>" }.length
puts (1..4).map { |t| Thread.new { (1..n / 10).map { |i| "#{t}.#{i}" }.group_by(&:length).transform_values(&:size) } }.map(&:value).inspect
END

uses ruby ruby --disable-gems -e 'puts (1..1000).map { |i| "x" * i }.length'
same 'strings, hashes, threads, collections' ruby "$in/work.rb" "$(amount 60000)"
