// SPDX-License-Identifier: BSL-1.0
// Reports: what they show of a run, and that nothing in them can be mistaken for the page itself.
#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <regex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <strata/data/bmp.hpp>
#include <strata/report/html.hpp>
#include <strata/report/report.hpp>

#include "files.hpp"

namespace {
using namespace strata;

// The tags that are open in the end, and the depth that no page should have gone below; empty for a well-formed page.
std::string unclosed(std::string_view page) {
  std::vector<std::string> open;
  for (std::size_t at = page.find('<'); at != std::string_view::npos; at = page.find('<', at + 1)) {
    const std::size_t end = page.find('>', at);
    if (end == std::string_view::npos) return "a tag without an end";
    const std::string_view tag = page.substr(at + 1, end - at - 1);
    if (tag.starts_with("!") || tag.ends_with("/")) continue;
    const std::string name(tag.substr(tag.starts_with("/"), tag.find(' ') - tag.starts_with("/")));
    if (!tag.starts_with("/")) {
      open.push_back(name);
    } else {
      if (open.empty() || open.back() != name) return "</" + name + ">";
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back();
}
std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != std::string_view::npos; at = text.find(what, at + 1)) ++n;
  return n;
}
bool has(std::string_view text, std::string_view what) { return text.find(what) != std::string_view::npos; }
std::string section(const std::string& page, const std::string& id) {
  const std::size_t at = page.find("<section id=\"" + id + "\">");
  return at == std::string::npos ? "" : page.substr(at, page.find("</section>", at) - at);
}

Report report(int classes = 3) {
  Report r;
  r.title = "A <net>";
  for (int e = 1; e <= 4; ++e) {
    EpochRecord x{.epoch = e, .loss = 2.0 / e, .accuracy = 0.2 * e, .samples = 100, .seconds = 2, .step = 10 * e};
    x.learning_rate = 0.01 / e;
    if (e < 4) x.validation_loss = 1.0 / e, x.validation_accuracy = 0.1 * e;  // the last ended within
    r.history.push_back(x);
  }
  r.loss = 0.625, r.accuracy = 1.0 / 3;
  r.confusion = ConfusionTable(classes);
  for (int t = 0; t < classes; ++t)
    for (int n = 0; n < 4; ++n) r.confusion.add(t, n < 3 ? t : (t + 1) % classes);
  r.class_names = {"cat", "dog & \"co\""};
  r.mistakes = {{.sample = 7, .label = 0, .predicted = 1, .probability = 0.75, .label_probability = 0.125},
                {.sample = 3, .label = 2, .predicted = 0, .probability = 0.5, .label_probability = 0.25}};
  r.mistake_images = {{1, 2, 3, {255, 0, 0, 0, 0, 255}}, {1, 2, 1, {0, 255}}};
  r.filters = {{1, 1, 3, {1, 2, 3}}};
  r.summary = "Layer <0>\n";
  r.settings = {{"seed", "1"}, {"optimizer", "SGD{learning_rate 0.1}"}};
  r.run = {{"command", "train --name 'a&b'"}};
  return r;
}

// --- What pages are made of ---------------------------------------------------------------------------------------------

TEST_CASE("text cannot leave its place, and is text") {
  using detail::escaped;
  CHECK(escaped("<a href=\"x\">'&amp;'</a>") == "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;&#39;&lt;/a&gt;");
  CHECK(escaped("caf\xC3\xA9 \xF0\x9F\x98\x80\n\t") == "caf\xC3\xA9 \xF0\x9F\x98\x80\n\t");
  const std::string no = "\xEF\xBF\xBD";
  CHECK(escaped(std::string_view("a\0b\x1B\x7F\r", 6)) == "a" + no + "b" + no + no + no);
  CHECK(escaped("\xC3(\xFF\xC0\x80") == no + "(" + no + no + no);  // cut short, none, too long
  CHECK(escaped("\xED\xA0\x80") == no + no + no);                  // a surrogate
  CHECK(escaped("\xEF\xBF\xBF") == no);                            // no character of XML
}

TEST_CASE("base64 as in RFC 4648, section 10") {
  const auto encoded = [](std::string_view s) { return detail::base64(std::vector<std::uint8_t>(s.begin(), s.end())); };
  CHECK(encoded("").empty());
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foob") == "Zm9vYg==");
  CHECK(encoded("fooba") == "Zm9vYmE=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(encoded("\xFB\xFF") == "+/8=");
}

TEST_CASE("pictures as BMP") {
  // Two rows of one pixel: red above green. Rows are padded to four bytes and begin at the bottom; blue comes first.
  const std::vector<std::uint8_t> bytes = bmp({2, 1, 3, {255, 0, 0, 0, 255, 0}});
  REQUIRE(bytes.size() == 54 + 8);
  CHECK(bytes[2] == 62);
  CHECK(bytes[10] == 54);
  CHECK(bytes[18] == 1);
  CHECK(bytes[22] == 2);
  CHECK(bytes[28] == 24);
  CHECK(std::vector<std::uint8_t>(bytes.begin() + 54, bytes.end()) ==
        std::vector<std::uint8_t>{0, 255, 0, 0, 0, 0, 255, 0});
  const std::vector<std::uint8_t> grey = bmp({1, 1, 1, {9}});
  CHECK(std::vector<std::uint8_t>(grey.begin() + 54, grey.end()) == std::vector<std::uint8_t>{9, 9, 9, 0});
  for (const Image& p : {Image{1, 1, 3, {0, 0}}, Image{0, 1, 3, {}}, Image{1, 1, 2, {0, 0}}, Image{-1, -1, 1, {0}}})
    CHECK_THROWS_AS((void)bmp(p), std::invalid_argument);
}

TEST_CASE("axes have round numbers around all there is") {
  for (const auto& [low, high] :
       {std::pair(0.13, 0.97), std::pair(2.302, 2.303), std::pair(-3.0, 5e6), std::pair(1e-9, 2e-9), std::pair(4.0, 4.0),
        std::pair(0.0, 0.0), std::pair(-1e99, 1e99)}) {
    const detail::ChartAxis a(low, high, 5);
    CAPTURE(low);
    CAPTURE(high);
    CHECK(a.tick(0) <= low + a.step * 1e-6);
    CHECK(a.tick(a.steps) >= high - a.step * 1e-6);
    CHECK(a.steps >= 1);
    CHECK(a.steps <= 12);
    const std::string digits = detail::rounded(a.step, 3);
    CHECK((digits.find_first_of("125") == digits.find_first_not_of("0.")));
  }
  const detail::ChartAxis a(0.13, 0.97, 5);
  CHECK(a.low == 0);
  CHECK(a.step == 0.2);
  CHECK(a.steps == 5);
  CHECK(detail::ChartAxis(1, 2, 8, 1).step == 1);
}

TEST_CASE("lines have gaps where there is no number") {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const detail::Curve c{"<c>", {{1, 0}, {2, 1}, {3, nan}, {4, 0.5}, {5, std::numeric_limits<double>::infinity()}}};
  const std::string chart = detail::line_chart("t", "epoch", {{c}});
  CHECK(has(chart, "<path d=\"M70.0 236.0L169.5 12.0M368.5 124.0\"/>"));
  CHECK(count(chart, "<circle") == 3);
  CHECK(has(chart, "<title>&lt;c&gt;, epoch 4: 0.5</title>"));
  CHECK(unclosed(chart).empty());
  CHECK_FALSE(has(chart, "nan"));
  CHECK_FALSE(has(chart, "inf"));
  // A loss that hardly moves: the labels of its axis do.
  const std::string still = detail::line_chart("t", "x", {{{"one", {{1, 2.30258}, {2, 2.30266}}}}});
  for (const char* label : {">2.30258<", ">2.3026<", ">2.30262<", ">2.30264<", ">2.30266<"}) CHECK(has(still, label));
  CHECK(has(detail::line_chart("t", "x", {{{"one", {{1, 7}}}}}), "<path d=\"M269.0 "));  // a point by itself: the middle
  CHECK_THROWS_AS(detail::line_chart("t", "x", {{{"none", {{1, nan}}}}}), std::invalid_argument);
}

// Data sets of one sample.
struct Bytes {
  static constexpr Shape image{1, 2, 3};
  std::vector<std::uint8_t> pixels(std::size_t) const { return {1, 2, 3, 4, 5, 6}; }
};
struct Floats {
  static constexpr Shape image{1, 2, 2};
  std::vector<float> pixels(std::size_t) const { return {-1, 9, 3, 9}; }
};

TEST_CASE("filters and images as pictures") {
  // A kernel 1x2 of 3 channels in, 2 out: (position, in, out).
  const std::vector<float> kernel{0, 5, 1, 5, 2, 5, 3, 5, 4, 5, 5, 5};
  const auto colours = filter_images(kernel, 1, 2, 3, 2);
  REQUIRE(colours.size() == 2);
  CHECK(colours[0].channels == 3);
  CHECK(colours[0].pixels == std::vector<std::uint8_t>{0, 51, 102, 153, 204, 255});
  CHECK(colours[1].pixels == std::vector<std::uint8_t>(6, 128));  // all equal
  const auto greys = filter_images(std::vector<float>{0, 2, 4, 6}, 2, 1, 2, 1);
  CHECK(greys.at(0).channels == 1);
  CHECK(greys.at(0).pixels == std::vector<std::uint8_t>{0, 255});
  CHECK_THROWS_AS(filter_images(kernel, 1, 2, 3, 3), std::invalid_argument);

  CHECK(image_of(Bytes{}, 0).pixels == std::vector<std::uint8_t>{1, 2, 3, 4, 5, 6});
  CHECK(image_of(Floats{}, 0).pixels == std::vector<std::uint8_t>{0, 255});
  CHECK(image_of(Floats{}, 0).channels == 1);

  const std::vector<Image> three{{1, 2, 1, {1, 2}}, {1, 2, 1, {3, 4}}, {1, 2, 1, {5, 6}}};
  const Image tiles = tiled(three, 2);
  CHECK(tiles.height == 3);
  CHECK(tiles.width == 5);
  CHECK(tiles.pixels == std::vector<std::uint8_t>{1, 2, 0, 3, 4, 0, 0, 0, 0, 0, 5, 6, 0, 0, 0});
  CHECK_THROWS_AS(tiled({}, 2), std::invalid_argument);
  CHECK_THROWS_AS(tiled(std::vector<Image>{three[0], colours[0]}, 2), std::invalid_argument);
}

// --- The page -----------------------------------------------------------------------------------------------------------

TEST_CASE("a report shows the run, and asks for nothing from outside") {
  const std::string page = report_html(report());
  CHECK(unclosed(page).empty());
  CHECK(has(page, "<title>A &lt;net&gt;</title>"));
  CHECK(has(page, "<data value=\"0.3333333333333333\">0.3333</data>"));
  CHECK(count(page, "<svg") == 3);
  for (const char* id : {"curves", "confusion", "classes", "mistakes", "filters", "network", "settings", "run"})
    CHECK_FALSE(section(page, id).empty());
  const std::regex outside("(src|href)=\"(?!data:image/bmp;base64,|#)|url\\(|@import|<script|<link");
  CHECK_FALSE(std::regex_search(page, outside));

  const std::string matrix = section(page, "confusion");
  CHECK(has(matrix,
            "<tr><th>cat</th><td class=\"hit\" style=\"--s:0.65\">3</td><td class=\"miss\" style=\"--s:0.375\">1</td>"
            "<td class=\"zero\" style=\"--s:0\">0</td></tr>"));
  CHECK(has(matrix, "<th><span>2</span></th>"));  // a class without a name
  CHECK_FALSE(has(matrix, "none"));
  CHECK(has(matrix, "cat as dog &amp; &quot;co&quot; (1)"));
  CHECK_FALSE(has(matrix, "cat as cat"));
  CHECK(count(section(page, "classes"), "<data value=\"0.75\">0.750</data>") == 6);
  CHECK(has(section(page, "mistakes"),
            "<b>dog &amp; &quot;co&quot;</b> <data value=\"0.75\">0.750</data><br/>is <b>cat</b> "
            "<data value=\"0.125\">0.125</data><br/>image 7</figcaption>"));
  CHECK(count(section(page, "mistakes"), "<img ") == 2);
  CHECK(has(section(page, "curves"),
            "<tr><th>4</th><td>40</td><td><data value=\"0.0025\">0.0025</data></td>"
            "<td><data value=\"0.5\">0.5</data></td><td><data value=\"0.8\">0.8</data></td>"
            "<td></td><td></td></tr>"));
  CHECK(has(section(page, "network"), "Layer &lt;0&gt;"));
  CHECK(has(section(page, "run"), "train --name &#39;a&amp;b&#39;"));
}

TEST_CASE("metrics are among the figures, and an accuracy of values is left out") {
  Report r = report();
  r.metrics = {{"top <5>", 0.75}};
  for (EpochRecord& e : r.history) e.accuracy = std::nan("");
  r.history[1].validation_metrics = {{"f1", 0.25}, {"iou<1>", 0.5}};
  const std::string page = report_html(r);
  CHECK(unclosed(page).empty());
  CHECK(has(page, "<div>test top &lt;5&gt;<data value=\"0.75\">0.7500</data></div>"));
  CHECK_FALSE(has(page, "nan"));
  const std::string curves = section(page, "curves");
  CHECK(has(curves, "<b>Validation f1</b>"));
  CHECK(has(curves, "<th>validation f1</th><th>validation iou&lt;1&gt;</th></tr></thead>"));
  CHECK(count(curves, "<td><data value=\"0.25\">0.25</data></td><td><data value=\"0.5\">0.5</data></td></tr>") == 1);
  CHECK(count(curves, "<td></td><td></td></tr>") == 3);
}

TEST_CASE("samples that got no class have a column") {
  Report r = report();
  r.confusion.add(1, -1);
  CHECK(has(report_html(r), "<span>none</span>"));
}

TEST_CASE("many classes are a map") {
  Report r = report(100);
  const std::string page = report_html(r), map = section(page, "confusion");
  CHECK(unclosed(page).empty());
  CHECK(count(map, "<td") == 0);
  CHECK(count(map, "class=\"hit\"") == 100);
  CHECK(count(map, "class=\"miss\"") == 100);
  CHECK(has(map, "<title>99 predicted as cat: 1</title>"));
  CHECK(count(section(page, "classes"), "<table") == 3);
  CHECK(count(map, " as ") == 100 + 100 + 12);  // the cells, and the most frequent confusions
}

TEST_CASE("equal runs have equal reports but for one section") {
  Report a = report(), b = report();
  for (EpochRecord& r : b.history) r.seconds *= 1.7;
  b.run = {{"command", "another"}, {"cores", "4"}};
  std::string x = report_html(a), y = report_html(b);
  CHECK(x != y);
  for (std::string* page : {&x, &y}) page->erase(page->find("<section id=\"run\">"));
  CHECK(x == y);
}

TEST_CASE("what is not there is left out") {
  const std::string page = report_html({});
  CHECK(unclosed(page).empty());
  CHECK_FALSE(has(page, "<section"));
  Report r = report();
  for (EpochRecord& e : r.history) e.validation_loss = std::numeric_limits<double>::quiet_NaN();
  CHECK(unclosed(report_html(r)).empty());
  r.mistake_images.pop_back();
  CHECK_THROWS_AS((void)report_html(r), std::invalid_argument);
  r.mistake_images.clear();
  CHECK(count(section(report_html(r), "mistakes"), "<img ") == 0);
}

TEST_CASE("the file is written whole") {
  const Folder temporary;
  const std::filesystem::path& folder = temporary.path;
  write_report(folder / "r.html", report());
  std::ifstream in(folder / "r.html", std::ios::binary);
  CHECK(std::string{std::istreambuf_iterator<char>(in), {}} == report_html(report()));
  CHECK_THROWS_WITH_AS(write_report(folder / "none" / "r.html", report()),
                       doctest::Contains((std::filesystem::path("none") / "r.html").string().c_str()), std::system_error);
}

}  // namespace
