// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/formatcombo.h"

#include "core/quant/schemetable.h"
#include "widgets/theme.h"

#include <QSignalBlocker>
#include <QStandardItemModel>

namespace ql {
namespace {

QString fromView(std::string_view text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

} // namespace

FormatCombo::FormatCombo(QWidget* parent) : QComboBox(parent)
{
    auto* items = new QStandardItemModel(this);
    QStringList sections;
    for (const FormatTraits& format : schemeTable()) {
        if (const QString section = fromView(format.section); !sections.contains(section))
            sections << section;
    }
    sections.append(sections.takeFirst()); // "Keep" leads the table and closes the menu
    for (const QString& section : sections) {
        auto* heading = new QStandardItem(section);
        heading->setFlags(Qt::NoItemFlags);
        heading->setFont(theme::smallFont());
        items->appendRow(heading);
        for (const FormatTraits& format : schemeTable()) {
            if (fromView(format.section) != section)
                continue;
            auto* item = new QStandardItem(fromView(format.label));
            item->setData(int(format.format), Qt::UserRole);
            item->setToolTip(fromView(format.summary) + QLatin1String("\n") + fromView(format.source));
            items->appendRow(item);
        }
    }
    setModel(items);
    setMaxVisibleItems(40);
    setPlaceholderText(tr("mixed"));
    connect(this, &QComboBox::activated, this, [this] {
        if (const auto chosen = format())
            Q_EMIT formatChosen(*chosen);
    });
}

std::optional<Format> FormatCombo::format() const
{
    const QVariant value = currentData();
    return value.isValid() ? std::optional(Format(value.toInt())) : std::nullopt;
}

void FormatCombo::setFormat(std::optional<Format> format)
{
    const QSignalBlocker blocker(this);
    setCurrentIndex(format ? findData(int(*format)) : -1);
    setToolTip(format ? fromView(traits(*format).summary) : tr("The selected tensors have different formats."));
}

} // namespace ql
