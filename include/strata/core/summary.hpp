// SPDX-License-Identifier: BSL-1.0
// summary<Net>(): a table like that of Keras, written at compile time, with more columns: multiply-adds, bytes, the
// receptive field, and the rows and columns that no window reads.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <span>
#include <string_view>

#include <strata/core/diagnose.hpp>
#include <strata/core/linkage.hpp>

namespace strata {
inline namespace STRATA_ABI {
namespace detail {

// Writes numbers and columns; Derived has self().put(char).
template <class Derived>
struct TextWriter {
  constexpr Derived& put(std::string_view s) {
    for (const char c : s) self().put(c);
    return self();
  }
  // With commas between the thousands.
  constexpr Derived& number(std::int64_t n) {
    char digits[26] = {};
    int count = 0;
    for (std::int64_t rest = n < 0 ? -n : n; rest > 0 || count == 0; rest /= 10) {
      if (count % 4 == 3) digits[count++] = ',';
      digits[count++] = static_cast<char>('0' + rest % 10);
    }
    if (n < 0) self().put('-');
    while (count > 0) self().put(digits[--count]);
    return self();
  }
  // With three decimal places.
  constexpr Derived& fraction(double x) {
    if (x < 0) return self().put('-'), fraction(-x);
    if (!(x < 1e15)) return self().put("large");
    const auto thousandths = static_cast<std::int64_t>(x * 1000 + 0.5);
    number(thousandths / 1000);
    std::int64_t rest = thousandths % 1000;
    if (rest > 0) self().put('.');
    for (int place = 100; rest > 0; place /= 10) {
      self().put(static_cast<char>('0' + rest / place));
      rest %= place;
    }
    return self();
  }
  // "5x5"; or "5", if the numbers are equal and not always_both.
  constexpr Derived& pair(std::int64_t rows, std::int64_t columns, bool always_both = true) {
    number(rows);
    if (always_both || rows != columns) self().put('x').number(columns);
    return self();
  }
  constexpr Derived& shape(Shape s) {
    self().put("(None, ");
    if (!s.flat) plain(s.height).put(", ").plain(s.width).put(", ");
    return plain(s.channels).put(')');
  }
  constexpr Derived& plain(int n) {
    if (n >= 10) plain(n / 10);
    return self().put(static_cast<char>('0' + n % 10));
  }
  constexpr Derived& left(std::string_view s, std::size_t width) {
    self().put(s);
    for (std::size_t n = s.size(); n < width; ++n) self().put(' ');
    return self();
  }
  constexpr Derived& right(std::string_view s, std::size_t width) {
    for (std::size_t n = s.size(); n < width; ++n) self().put(' ');
    return self().put(s);
  }

 private:
  constexpr Derived& self() { return static_cast<Derived&>(*this); }
};

// Text in a buffer of fixed size. Characters that do not fit are dropped.
template <std::size_t Capacity>
struct Text : TextWriter<Text<Capacity>> {
  std::array<char, Capacity> characters{};
  std::size_t size = 0;

  using TextWriter<Text>::put;
  constexpr Text& put(char c) {
    if (size < Capacity) characters[size++] = c;
    return *this;
  }
  [[nodiscard]] constexpr std::string_view view() const { return {characters.data(), size}; }
};
using Cell = Text<56>;

// A layer's name and its numbers: "Conv 5x5 /2".
template <class L>
constexpr Cell label() {
  Cell c;
  if constexpr (requires { std::string_view(L::name); }) {
    c.put(L::name);
  } else {
    c.put("layer");
  }
  if constexpr (requires(Shape s) { L::geometry(s), L::settings.window; }) {
    constexpr const auto& settings = L::settings;
    constexpr WindowSpec w = settings.window;
    c.put(' ').pair(w.kernel_h, w.kernel_w);
    if (w.stride_h != 1 || w.stride_w != 1) c.put(" /").pair(w.stride_h, w.stride_w, false);
    if (w.padding == Padding::same) c.put(" same");
    if (w.padding == Padding::explicit_) {
      c.put(" pad ").number(w.top);
      if (w.bottom != w.top || w.left != w.top || w.right != w.top)
        c.put(',').number(w.bottom).put(',').number(w.left).put(',').number(w.right);
    }
    if (settings.count_padding) c.put(" counted");
    if (w.dilation_h != 1 || w.dilation_w != 1) c.put(" dilation ").pair(w.dilation_h, w.dilation_w, false);
    if (w.ceil) c.put(" ceil");
    if (settings.groups != 1) c.put(" groups ").number(settings.groups);
  } else if constexpr (requires { L::factors.height, L::factors.width; }) {
    c.put(' ').pair(L::factors.height, L::factors.width);
    if (L::bilinear) c.put(" bilinear");
  } else if constexpr (requires { int{L::groups}; }) {
    c.put(" groups ").number(L::groups);
  } else if constexpr (requires { L::first, L::count; }) {
    c.put(' ').number(L::first).put(" to ").number(std::int64_t{L::first} + L::count - 1);
  } else if constexpr (requires { double{L::factor}; }) {
    c.put(' ').fraction(L::factor);
  } else if constexpr (requires { double{L::rate}; }) {
    c.put(' ').fraction(L::rate);
  } else if constexpr (requires { double{L::momentum}; }) {
    if (L::momentum != 0.99) c.put(" momentum ").fraction(L::momentum);  // a run resumes with the same text alone
  }
  return c;
}
template <class N>
constexpr Cell label_of_node() {
  if constexpr (node<N>::kind == Kind::layer || node<N>::kind == Kind::join) {
    return label<typename node<N>::layer>();
  } else {
    return {};
  }
}

// The part of the image that one element depends on.
struct ReceptiveField {
  std::int64_t rows = 1, columns = 1;            // padding included
  std::int64_t step_rows = 1, step_columns = 1;  // from one element to the next
  bool all = false;                              // behind a Dense, or a Reshape
};
constexpr ReceptiveField larger(const ReceptiveField& a, const ReceptiveField& b) {
  return {std::max(a.rows, b.rows), std::max(a.columns, b.columns), a.step_rows, a.step_columns, a.all || b.all};
}
// Writes the receptive field of each row's output to `fields`.
constexpr void find_receptive_fields(std::span<const Row> rows, std::span<ReceptiveField> fields) {
  for (std::size_t i = 1; i < rows.size(); ++i) {
    const Row& row = rows[i];
    const auto of = [fields](int row_number) {
      return row_number < 0 ? ReceptiveField{} : fields[static_cast<std::size_t>(row_number)];
    };
    ReceptiveField s = of(row.kind == Kind::next ? row.fork : row.source);
    if (row.kind == Kind::join) {
      // The branches end before each Next and here. With one branch alone, the fork's value is the other.
      if (row.previous_end < 0) s = larger(s, of(row.fork));
      for (int end = row.previous_end; end >= 0; end = rows[static_cast<std::size_t>(end)].previous_end)
        s = larger(s, of(end - 1));
    } else if (row.kind == Kind::layer) {
      const Window& w = row.step.window;
      s.rows = saturating_add(s.rows, saturating_multiply(saturating_multiply(w.kernel_h - 1, w.dilation_h), s.step_rows));
      s.columns =
          saturating_add(s.columns, saturating_multiply(saturating_multiply(w.kernel_w - 1, w.dilation_w), s.step_columns));
      // Behind a layer that enlarges the map, neighbours are closer, but not less than an element apart.
      const auto step = [](std::int64_t before, int stride, int enlarged) {
        return std::max<std::int64_t>(1, saturating_multiply(before, stride) / enlarged);
      };
      s.step_rows = step(s.step_rows, w.stride_h, row.step.enlarged_rows);
      s.step_columns = step(s.step_columns, w.stride_w, row.step.enlarged_columns);
      s.all = s.all || row.step.moves_positions || (row.in.flat && row.out.flat && row.step.macs > 0);
    }
    fields[i] = s;
  }
}

template <class N>
inline constexpr Cell label_of = label_of_node<N>();
template <class Nodes>
struct labels_of;
template <class... N>
struct labels_of<List<N...>> {
  static constexpr std::array<std::string_view, sizeof...(N) == 0 ? 1 : sizeof...(N)> value{label_of<N>.view()...};
};

inline constexpr std::array<std::size_t, 7> widths = {36, 22, 14, 16, 15, 9, 7};
inline constexpr std::size_t summary_width = std::accumulate(widths.begin(), widths.end(), std::size_t{0});

// A summary is written from these numbers.
struct SummaryNumbers {
  std::span<const Row> rows;
  std::span<const std::string_view> labels;  // of each row
  std::int64_t parameters, state, macs;
  std::int64_t training_bytes;  // batch of 128
};
template <class Net>
constexpr SummaryNumbers summary_numbers() {
  using nodes = typename analysed<Net>::nodes;
  constexpr const auto& table = table_of<nodes>::value;
  return {.rows = table.rows,
          .labels = labels_of<nodes>::value,
          .parameters = Net::parameters,
          .state = table.state,
          .macs = Net::macs,
          .training_bytes = Net::training_bytes(128)};
}

template <class Text_>
constexpr void write_summary(Text_& t, const SummaryNumbers& n, std::span<const ReceptiveField> fields) {
  const auto rule = [&t](char c) {
    for (std::size_t i = 0; i < summary_width; ++i) t.put(c);
    t.put('\n');
  };
  rule('_');
  t.left("Layer", widths[0]).left("Output shape", widths[1]).right("Parameters", widths[2]).right("MACs", widths[3]);
  t.right("Bytes", widths[4]).right("Sees", widths[5]).right("Unread", widths[6]).put('\n');
  rule('=');
  std::size_t depth = 0;
  for (std::size_t i = 0; i < n.rows.size(); ++i) {
    const Row& row = n.rows[i];
    if (row.kind == Kind::join) --depth;
    if (row.layer >= 0) {
      Cell name, shape, parameters, macs, bytes, sees, unread;
      for (std::size_t d = 0; d < depth; ++d) name.put("| ");
      name.put(n.labels[i]);
      shape.shape(row.out);
      parameters.number(saturating_add(row.step.parameters, row.step.state));
      macs.number(row.step.macs);
      bytes.number(saturating_multiply(4, saturating_size(row.out)));
      if (fields[i].all)
        sees.put("all");
      else
        sees.pair(fields[i].rows, fields[i].columns);
      if (row.step.unread_rows > 0 || row.step.unread_columns > 0)
        unread.pair(row.step.unread_rows, row.step.unread_columns);
      t.left(name.view().substr(0, widths[0] - 1), widths[0]).left(shape.view(), widths[1]);
      t.right(parameters.view(), widths[2]).right(macs.view(), widths[3]).right(bytes.view(), widths[4]);
      t.right(sees.view(), widths[5]).right(unread.view(), unread.size > 0 ? widths[6] : 0).put('\n');
    }
    if (row.kind == Kind::fork) ++depth;
  }
  rule('=');
  const auto total = [&t](std::string_view what, std::int64_t value) { t.left(what, widths[0]).number(value).put('\n'); };
  total("Trainable parameters", n.parameters);
  total("Non-trainable parameters", n.state);
  total("Multiply-adds, one image", n.macs);
  total("Bytes to train, batch of 128", n.training_bytes);
}

template <class Net>
struct summary_of {
  static constexpr SummaryNumbers numbers = summary_numbers<Net>();
  static constexpr std::size_t capacity = (summary_width + 1) * (static_cast<std::size_t>(Net::layers) + 10);

  static constexpr Text<capacity> write() {
    Text<capacity> t;
    std::array<ReceptiveField, numbers.rows.size()> fields{};
    find_receptive_fields(numbers.rows, fields);
    write_summary(t, numbers, fields);
    return t;
  }
  static constexpr std::size_t size = write().size;
  // Exactly as large as the text, since it becomes part of the program.
  static constexpr std::array<char, size> characters = [] {
    const auto draft = write();
    std::array<char, size> exact{};
    for (std::size_t i = 0; i < size; ++i) exact[i] = draft.characters[i];
    return exact;
  }();
};

}  // namespace detail
}  // namespace STRATA_ABI

// One row for each layer: name with kernel, stride and padding (valid if none is shown); output shape; parameters as Keras
// counts them, including those that are not trained; multiply-adds and bytes (float32) of one image; receptive field
// ("Sees"); rows x columns of the padded input that no window reads ("Unread"). Layers inside Residual and Concat are
// indented.
template <class Net>
constexpr std::string_view summary() {
  static_assert(Net::layers >= 0);  // reports a fault of the network here instead of deep inside
  return {detail::summary_of<Net>::characters.data(), detail::summary_of<Net>::size};
}

}  // namespace strata
