// SPDX-FileCopyrightText: Quantloupe contributors
// SPDX-License-Identifier: GPL-3.0-or-later
#include "widgets/panels/ruledialog.h"

#include "widgets/theme.h"

#include <QDialogButtonBox>
#include <QFontDatabase>
#include <QFormLayout>
#include <QLabel>
#include <QLineEdit>
#include <QListWidget>
#include <QPushButton>
#include <QRadioButton>
#include <QRegularExpression>
#include <QSpinBox>

namespace ql {
namespace {

constexpr int kMostLayers = 9999;

QString fromView(std::string_view text)
{
    return QString::fromUtf8(text.data(), qsizetype(text.size()));
}

} // namespace

struct RuleDialog::Private {
    RuleDialog* q;
    QRadioButton* byRole;
    QRadioButton* byName;
    QListWidget* roles;
    QLineEdit* pattern;
    QSpinBox* first;
    QSpinBox* last;
    QLineEdit* scheme;
    QLineEdit* note;
    QLabel* message;
    QDialogButtonBox* buttons;

    void build();
    void show(const Rule& rule);
    QString problem() const;
    void check();
};

void RuleDialog::Private::build()
{
    byRole = new QRadioButton(tr("Tensors with a role"), q);
    byName = new QRadioButton(tr("Tensors whose name matches"), q);
    roles = new QListWidget(q);
    roles->setFlow(QListView::LeftToRight);
    roles->setWrapping(true);
    roles->setResizeMode(QListView::Adjust);
    roles->setGridSize({roles->fontMetrics().averageCharWidth() * 26, 3 * theme::kSpacing});
    roles->setMaximumHeight(26 * theme::kSpacing);
    roles->setAccessibleName(tr("Roles"));
    for (const TensorRole role : allRoles()) {
        auto* item = new QListWidgetItem(fromView(roleName(role)), roles);
        item->setData(Qt::UserRole, int(role));
        item->setFlags(Qt::ItemIsEnabled | Qt::ItemIsUserCheckable | Qt::ItemIsSelectable);
        item->setCheckState(Qt::Unchecked);
    }
    pattern = new QLineEdit(q);
    pattern->setPlaceholderText(tr("regular expression, found anywhere in the name"));
    pattern->setAccessibleName(tr("Name pattern"));
    const auto layerBox = [this](const QString& name) {
        auto* box = new QSpinBox(q);
        box->setRange(-1, kMostLayers);
        box->setSpecialValueText(tr("any"));
        box->setAccessibleName(name);
        return box;
    };
    first = layerBox(tr("First block"));
    last = layerBox(tr("Last block"));
    scheme = new QLineEdit(q);
    scheme->setFont(QFontDatabase::systemFont(QFontDatabase::FixedFont));
    scheme->setPlaceholderText(QStringLiteral("int4,group=128,clip=mse"));
    note = new QLineEdit(q);
    note->setPlaceholderText(tr("why this rule is there"));
    message = new QLabel(q);
    message->setWordWrap(true);
    message->setMinimumHeight(message->fontMetrics().lineSpacing() * 2);
    message->setAccessibleName(tr("What is wrong"));
    buttons = new QDialogButtonBox(QDialogButtonBox::Ok | QDialogButtonBox::Cancel, q);

    auto* blocks = new QHBoxLayout;
    blocks->addWidget(first);
    blocks->addWidget(new QLabel(tr("to"), q));
    blocks->addWidget(last);
    blocks->addStretch(1);
    auto* form = new QFormLayout(q);
    form->setVerticalSpacing(theme::kSpacing);
    form->addRow(byRole);
    form->addRow(roles);
    form->addRow(byName);
    form->addRow(pattern);
    form->addRow(tr("Blocks"), blocks);
    form->addRow(tr("Scheme"), scheme);
    form->addRow(tr("Note"), note);
    form->addRow(message);
    form->addRow(buttons);
    const auto changed = [this] { check(); };
    connect(byRole, &QRadioButton::toggled, q, changed);
    connect(roles, &QListWidget::itemChanged, q, changed);
    connect(pattern, &QLineEdit::textChanged, q, changed);
    connect(first, &QSpinBox::valueChanged, q, changed);
    connect(last, &QSpinBox::valueChanged, q, changed);
    connect(scheme, &QLineEdit::textChanged, q, changed);
    connect(buttons, &QDialogButtonBox::accepted, q, &QDialog::accept);
    connect(buttons, &QDialogButtonBox::rejected, q, &QDialog::reject);
}

void RuleDialog::Private::show(const Rule& rule)
{
    (rule.match.empty() ? byRole : byName)->setChecked(true);
    pattern->setText(QString::fromStdString(rule.match));
    for (int i = 0; i < roles->count(); ++i) {
        const auto role = TensorRole(roles->item(i)->data(Qt::UserRole).toInt());
        const bool chosen = std::find(rule.roles.begin(), rule.roles.end(), role) != rule.roles.end();
        roles->item(i)->setCheckState(chosen ? Qt::Checked : Qt::Unchecked);
    }
    first->setValue(rule.firstLayer);
    last->setValue(rule.lastLayer);
    scheme->setText(QString::fromStdString(rule.scheme.text()));
    note->setText(QString::fromStdString(rule.note));
    check();
}

QString RuleDialog::Private::problem() const
{
    const Rule rule = q->rule();
    if (byName->isChecked()) {
        if (rule.match.empty())
            return tr("Write a pattern, or choose roles instead.");
        if (const QRegularExpression expression(QString::fromStdString(rule.match)); !expression.isValid())
            return tr("The pattern is not valid: %1.").arg(expression.errorString());
    } else if (rule.roles.empty()) {
        return tr("Choose at least one role.");
    }
    if (rule.firstLayer >= 0 && rule.lastLayer >= 0 && rule.firstLayer > rule.lastLayer)
        return tr("The first block lies behind the last one.");
    const auto parsed = Scheme::parse(scheme->text().toStdString());
    return parsed.ok() ? QString() : fromView(parsed.error().message);
}

void RuleDialog::Private::check()
{
    roles->setEnabled(byRole->isChecked());
    pattern->setEnabled(byName->isChecked());
    const QString wrong = problem();
    message->setText(wrong);
    QPalette palette = q->palette();
    palette.setColor(QPalette::WindowText, theme::color(Ink::Bad));
    message->setPalette(palette);
    buttons->button(QDialogButtonBox::Ok)->setEnabled(wrong.isEmpty());
}

RuleDialog::RuleDialog(const Rule& rule, QWidget* parent) : QDialog(parent), d(std::make_unique<Private>())
{
    d->q = this;
    setWindowTitle(tr("Rule"));
    resize(560, 480);
    d->build();
    d->show(rule);
}

RuleDialog::~RuleDialog() = default;

Rule RuleDialog::rule() const
{
    Rule rule;
    if (d->byName->isChecked()) {
        rule.match = d->pattern->text().toStdString();
    } else {
        for (int i = 0; i < d->roles->count(); ++i) {
            if (d->roles->item(i)->checkState() == Qt::Checked)
                rule.roles.push_back(TensorRole(d->roles->item(i)->data(Qt::UserRole).toInt()));
        }
    }
    rule.firstLayer = d->first->value();
    rule.lastLayer = d->last->value();
    if (auto parsed = Scheme::parse(d->scheme->text().toStdString()); parsed.ok())
        rule.scheme = parsed.value();
    rule.note = d->note->text().toStdString();
    return rule;
}

} // namespace ql
