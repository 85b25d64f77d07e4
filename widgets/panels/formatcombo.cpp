// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/formatcombo.h"

#include "core/quant/schemetable.h"
#include "widgets/models/coretext.h"
#include "widgets/theme.h"

#include <QSignalBlocker>
#include <QStandardItemModel>

namespace ql {
FormatCombo::FormatCombo(QWidget* parent) : FormatCombo([](Format) { return true; }, {}, parent) {}

FormatCombo::FormatCombo(bool (*takes)(Format), const QString& off, QWidget* parent) : QComboBox(parent), m_off(off)
{
    fill(takes);
    setMaxVisibleItems(40);
    setPlaceholderText(tr("mixed"));
    connect(this, &QComboBox::activated, this, [this] {
        if (const auto chosen = format())
            Q_EMIT formatChosen(*chosen);
        else
            Q_EMIT offChosen();
    });
}

void FormatCombo::fill(bool (*takes)(Format))
{
    auto* items = new QStandardItemModel(this);
    if (!m_off.isEmpty())
        items->appendRow(new QStandardItem(m_off));
    QStringList sections;
    for (const FormatTraits& format : schemeTable()) {
        if (const QString section = fromStd(format.section); takes(format.format) && !sections.contains(section))
            sections << section;
    }
    if (m_off.isEmpty())
        sections.append(sections.takeFirst()); // "Keep" leads the table and closes the menu
    for (const QString& section : sections) {
        auto* heading = new QStandardItem(section);
        heading->setFlags(Qt::NoItemFlags);
        heading->setFont(theme::smallFont());
        items->appendRow(heading);
        for (const FormatTraits& format : schemeTable()) {
            if (fromStd(format.section) != section || !takes(format.format))
                continue;
            auto* item = new QStandardItem(fromStd(format.label));
            item->setData(int(format.format), Qt::UserRole);
            item->setToolTip(fromStd(format.summary) + QLatin1String("\n") + fromStd(format.source));
            items->appendRow(item);
        }
    }
    setModel(items);
}

std::optional<Format> FormatCombo::format() const
{
    const QVariant value = currentData();
    return value.isValid() ? std::optional(Format(value.toInt())) : std::nullopt;
}

void FormatCombo::setFormat(std::optional<Format> format)
{
    const QSignalBlocker blocker(this);
    setCurrentIndex(format ? findData(int(*format)) : m_off.isEmpty() ? -1 : 0);
    setToolTip(format             ? fromStd(traits(*format).summary)
               : m_off.isEmpty() ? tr("The selected tensors have different formats.")
                                 : tr("Kept in full precision: choose a format to quantize."));
}

} // namespace ql
